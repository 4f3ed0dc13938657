import { openSync } from 'node:fs';
import { EventFd, SharedMemory, closeFd, dupFd } from '@vio/native';
import { PacketBurst } from '@vio/net';
import { holdings, holdingsLike, until } from '@vio/test-support';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeRaw } from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { Guest } from '../../test-support/guest.ts';
import { packet, packetPool, packetsOf } from '../../test-support/packets.ts';

/** Numbers that mean something somewhere: ring indexes, sizes, addresses, status bits, and their neighbours. */
const word = fc.oneof(
  fc.constantFrom(
    0,
    1,
    2,
    3,
    4,
    8,
    15,
    0x100,
    0x101,
    256,
    4096,
    0x7f00,
    0x8000,
    0xffff,
    0x8000_8000,
    0xffff_ffff,
  ),
  fc.nat(0xffff_ffff),
);
const message = fc.record({
  request: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 1, max: 44 }) },
    { weight: 1, arbitrary: word },
  ),
  flags: fc.constantFrom(1, 1, 1, 1, 9, 9, 9, 5, 0),
  payload: fc
    .constantFrom(0, 2, 2, 2, 10, 11)
    .chain((words) => fc.array(word, { minLength: words, maxLength: words }))
    .map((words) => new Uint8Array(Uint32Array.from(words).buffer)),
  fds: fc.array(fc.constantFrom('event', 'memory', 'device'), { maxLength: 3 }),
});
/** A step of a correct start, by its number, or something else. */
const script = fc.array(fc.oneof(fc.nat(30), message), { maxLength: 40 });

function descriptor(kind: string, memory: SharedMemory): number {
  if (kind === 'memory') return dupFd(memory.fd);
  if (kind === 'device') return openSync('/dev/null', 'r');
  using event = EventFd.create();
  return dupFd(event.fd);
}

describe('whatever a frontend sends', () => {
  it('the backend serves others, holds nothing afterwards and never throws', async () => {
    await using backend = await TestBackend.start();
    const witness = await backend.connect();
    using memory = SharedMemory.create({ size: 65_536, name: 'vio-test-guest' });
    using guest = new Guest();
    const steps = guest.steps();
    const before = holdings();
    await fc.assert(
      fc.asyncProperty(script, async (parts) => {
        const { length } = backend.ended;
        const frontend = await backend.connect();
        for (const part of parts) {
          // The backend may have closed: then the rest of the script goes nowhere.
          if (typeof part === 'number') await steps[part % steps.length].run(frontend).catch(() => {});
          else {
            const fds = part.fds.map((kind) => descriptor(kind, memory));
            const bytes = encodeRaw(part.request, part.flags, part.payload);
            // Descriptors cannot travel without a byte, which there always is: the header.
            await frontend.sendRaw(bytes, fds).catch(() => {});
            for (const fd of fds) closeFd(fd);
          }
        }
        await handled(witness);
        const pool = packetPool();
        for (let ring = 0; ring < 4; ring++) {
          backend.device.dequeueBurst(ring, pool, new PacketBurst());
          backend.device.enqueueBurst(ring, packetsOf(packetPool(), packet(60)));
        }
        frontend.close();
        await until(() => backend.ended.length > length);
        expect(backend.ended.length).toBe(length + 1);
        expect(backend.ended.map(({ code }) => code)).not.toContain('VIO_VHOST_INTERNAL');
      }),
      { numRuns: 150 },
    );
    expect(await holdingsLike(before)).toEqual(before);
  }, 60_000);
});
