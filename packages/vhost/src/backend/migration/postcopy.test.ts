import { SharedMemory, VioError, closeFd } from '@vio/native';
import { LatePages } from '@vio/native/internal';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { holdings, until } from '@vio/test-support';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ScriptedFrontend } from '../../testing/index.ts';
import {
  VHOST_USER_PROTOCOL_F_PAGEFAULT,
  encodeRaw,
  frontendRequests as requests,
} from '../../wire/index.ts';
import type { VhostDriverFlags } from '../driver/driver-flags.ts';
import { PageSender } from '../../test-support/page-sender.ts';
import { Guest } from '../../test-support/guest.ts';
import { packet, supply } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';

const page = 4096;
const formats = [
  ['split', VIRTIO_F_VERSION_1],
  ['packed', VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED],
] as const;

const open: { close(): void }[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  for (const one of open.splice(0)) one.close();
});

/** A guest in memory of which no page is there yet. */
function lateGuest(format: 'split' | 'packed', features: bigint): Guest {
  const mapping = SharedMemory.create({ size: Guest.bytes(2), name: 'vio-test-guest', populate: false });
  return new Guest({ features, ring: { format }, memory: { fd: mapping.fd, mapping } });
}

async function advise(frontend: ScriptedFrontend): Promise<number> {
  await frontend.send(requests.POSTCOPY_ADVISE, undefined);
  const { fds } = await frontend.next();
  open.push({ close: () => closeFd(fds[0]) });
  return fds[0];
}

/** Starts a device whose memory comes late, as QEMU does. */
async function start(guest: Guest, flags: VhostDriverFlags = {}, sends = false) {
  let faults = -1;
  let sender: PageSender | undefined;
  const pair = await Pair.start({
    guest,
    flags: { postcopySupport: true, ...flags },
    instead: {
      SET_OWNER: async (frontend) => {
        await frontend.send(requests.SET_OWNER, undefined);
        faults = await advise(frontend);
        await frontend.send(requests.POSTCOPY_LISTEN, undefined);
      },
      SET_MEM_TABLE: async (frontend) => {
        const { regions, fd } = guest;
        const { id, payload, name } = requests.SET_MEM_TABLE;
        await frontend.send(requests.SET_MEM_TABLE, regions, { fds: regions.map(() => fd) });
        const answer = await frontend.next();
        const places = payload
          .decode(answer.payload, name)
          .map(({ userAddress: from, size, mmapOffset: offset }) => ({ from, size, offset }));
        if (sends) {
          sender = await PageSender.start(faults, fd, places);
          open.push({ close: () => sender?.[Symbol.dispose]() });
        }
        // The frontend's word that it knows the addresses.
        await frontend.sendRaw(encodeRaw(id, 1, new Uint8Array(8)));
      },
    },
  });
  return { pair, sender };
}

describe.each(formats)('a guest with %s rings whose memory follows it', (format, features) => {
  it('gets packets into pages that come when they are touched', async () => {
    const guest = lateGuest(format, features);
    const [rx] = guest.rings;
    rx.memory.alloc(8 * page);
    const address = supply(rx, 2048);
    const { pair, sender } = await start(guest, {}, true);
    await using _ = pair;
    expect(pair.send(packet(60, 1))).toBe(1);
    expect(rx.memory.read(address + 12, 60)).toEqual(packet(60, 1));
    expect(rx.used()).toHaveLength(1);
    expect(await sender?.sent()).toBeGreaterThan(0);
    expect(await pair.frontend.ask(requests.POSTCOPY_END, undefined)).toBe(0n);
    expect(pair.moves(guest, 2)).toBe(true);
    expect(pair.backend.ended).toEqual([]);
  });

  it('loses its device when a page never comes: the process lives, others go on, and nothing is left', async () => {
    await using other = await Pair.start();
    const before = holdings().fds;
    const guest = lateGuest(format, features);
    const [rx] = guest.rings;
    rx.memory.alloc(8 * page);
    supply(rx, 2048);
    {
      const { pair } = await start(guest, { postcopyTimeout: 100 });
      await using _ = pair;
      pair.send(packet(60, 1));
      await until(() => pair.backend.ended.length > 0);
      expect(pair.backend.ended[0].code).toBe('VIO_VHOST_POSTCOPY');
      expect(other.moves(other.guest, 1)).toBe(true);
    }
    for (const one of open.splice(0)) one.close();
    await until(() => holdings().fds <= before);
    expect(holdings().fds).toBeLessThanOrEqual(before);
  });
});

describe('postcopy', () => {
  it('is offered where the flag says so', async () => {
    await using without = await TestBackend.start();
    await using backend = await TestBackend.start({ postcopySupport: true });
    const offered = await Promise.all(
      [without, backend].map(async (one) => {
        const frontend = await one.connect();
        return (
          ((await frontend.ask(requests.GET_PROTOCOL_FEATURES, undefined)) ?? 0n) &
          VHOST_USER_PROTOCOL_F_PAGEFAULT
        );
      }),
    );
    expect(offered).toEqual([0n, VHOST_USER_PROTOCOL_F_PAGEFAULT]);
  });

  it('is advised once per queue pair, and ended as often', async () => {
    await using backend = await TestBackend.start({ postcopySupport: true });
    const frontend = await backend.connect();
    for (let pair = 0; pair < 4; pair++) await advise(frontend);
    for (let pair = 0; pair < 4; pair++) await frontend.acknowledged(requests.POSTCOPY_LISTEN, undefined);
    for (let pair = 0; pair < 4; pair++)
      expect(await frontend.ask(requests.POSTCOPY_END, undefined)).toBe(0n);
  });

  it('is refused without advice, and to memory that is there', async () => {
    await using pair = await Pair.start({ flags: { postcopySupport: true } });
    const { frontend } = pair;
    expect(await frontend.acknowledged(requests.POSTCOPY_LISTEN, undefined)).toBe(1n);
    await advise(frontend);
    expect(await frontend.acknowledged(requests.POSTCOPY_LISTEN, undefined)).toBe(1n);
    await handled(frontend);
    expect(pair.backend.refused.map(({ code }) => code)).toEqual(['VIO_VHOST_STATE', 'VIO_VHOST_STATE']);
  });

  it('that the system forbids ends the connection by name, and says what helps; others go on, and nothing is left', async () => {
    await using other = await Pair.start();
    await using backend = await TestBackend.start({ postcopySupport: true });
    const refused = new VioError('forbidden', { code: 'VIO_USERFAULTFD', remedy: 'allow it' });
    vi.spyOn(LatePages, 'open').mockImplementation(() => {
      throw refused;
    });
    const before = holdings().fds;
    const frontend = await backend.connect();
    await frontend.send(requests.POSTCOPY_ADVISE, undefined);
    await until(() => backend.ended.length > 0);
    // With a descriptor or not at all is how this request is answered: there is no way to refuse it.
    expect(backend.ended).toEqual([refused]);
    expect(other.moves(other.guest, 1)).toBe(true);
    frontend.close();
    await until(() => holdings().fds <= before);
    expect(holdings().fds).toBeLessThanOrEqual(before);
    vi.restoreAllMocks();
    await advise(await backend.connect());
  });
});
