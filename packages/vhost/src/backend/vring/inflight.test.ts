import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SharedMemory, closeFd } from '@vio/native';
import { sizeOfFd } from '@vio/native/internal';
import { PacketBurst } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import { ChainBurst, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1, inflightBytes } from '@vio/rings';
import { holdings, holdingsLike, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import type { ScriptedFrontend } from '../../testing/index.ts';
import { type Inflight, decodeReply, expectedReply, frontendRequests as requests } from '../../wire/index.ts';
import type { VhostDevice } from '../device/vhost-device.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { Guest } from '../../test-support/guest.ts';
import { packet, packetPool, sendFrom } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';

const asked: Inflight = { mmapSize: 0, mmapOffset: 0, queues: 2, queueSize: 8 };

/** Asks for a buffer. @returns what the answer says, and its descriptor */
async function getInflight(frontend: ScriptedFrontend, queues = 2): Promise<Inflight & { fd: number }> {
  await frontend.send(requests.GET_INFLIGHT_FD, { ...asked, queues });
  const message = await frontend.next();
  const expected = expectedReply(requests.GET_INFLIGHT_FD);
  if (expected === undefined) throw new TypeError('it has an answer');
  return { ...decodeReply(expected, message), fd: message.fds[0] };
}

function setInflight(frontend: ScriptedFrontend, area: Inflight, fd: number): Promise<bigint> {
  return frontend.acknowledged(requests.SET_INFLIGHT_FD, area, { fds: [fd] });
}

/** Starts a device whose rings note down what they have in the buffer. */
async function start(backend: TestBackend, guest: Guest, area: Inflight, fd: number) {
  const frontend = await backend.connect();
  const [owner, features, ...rest] = guest.steps();
  await owner.run(frontend);
  await features.run(frontend);
  const answer = await setInflight(frontend, area, fd);
  for (const step of rest) await step.run(frontend);
  await handled(frontend);
  return { frontend, answer };
}

/** What a frontend sees that asked for no acknowledgement. */
const closed = { code: 'VIO_VHOST_DISCONNECTED' };

function receive(backend: TestBackend): Uint8Array[] {
  const burst = new PacketBurst();
  backend.device.dequeueBurst(1, packetPool(), burst);
  return readFrames(burst);
}

const formats = [
  { format: 'split', features: VIRTIO_F_VERSION_1 },
  { format: 'packed', features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED },
] as const;

describe.each(formats)('the inflight buffer of $format rings', ({ format, features }) => {
  const ring = { format };

  it('is as large as the rings need', async () => {
    await using backend = await TestBackend.start();
    const frontend = await backend.connect();
    await frontend.send(requests.SET_FEATURES, features);
    const area = await getInflight(frontend, 3);
    const size = sizeOfFd(area.fd);
    closeFd(area.fd);
    expect(area).toMatchObject({
      mmapSize: 3 * inflightBytes(format, 8),
      mmapOffset: 0,
      queues: 3,
      queueSize: 8,
    });
    expect(size).toBeGreaterThanOrEqual(area.mmapSize);
  });

  it('tells a backend where its predecessor was, whatever base the frontend says', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest({ features, ring });
    using memory = SharedMemory.create({ size: 4096, name: 'vio-test-guest' });
    const area = { ...asked, mmapSize: 2 * inflightBytes(format, 8) };
    const first = await start(backend, guest, area, memory.fd);
    for (const seed of [1, 2, 3]) sendFrom(guest.rings[1], packet(60, seed));
    receive(backend);
    first.frontend.close();
    await until(() => backend.ended.length > 0);
    sendFrom(guest.rings[1], packet(60, 4));
    await start(backend, guest, area, memory.fd);
    expect(receive(backend)).toEqual([packet(60, 4)]);
  });

  it('is written to from the first packet on', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest({ features, ring });
    using memory = SharedMemory.create({ size: 4096, name: 'vio-test-guest' });
    await start(backend, guest, { ...asked, mmapSize: 2 * inflightBytes(format, 8) }, memory.fd);
    sendFrom(guest.rings[1], packet(60));
    receive(backend);
    const used = new DataView(memory.buffer, inflightBytes(format, 8)).getUint16(
      format === 'split' ? 14 : 16,
      true,
    );
    expect(used).toBe(1);
  });

  it('that makes no sense keeps its ring from running', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest({ features, ring });
    using memory = SharedMemory.create({ size: 4096, name: 'vio-test-guest' });
    new DataView(memory.buffer).setUint16(8, 7, true);
    const area = { ...asked, mmapSize: 2 * inflightBytes(format, 8) };
    await expect(start(backend, guest, area, memory.fd)).rejects.toMatchObject(closed);
    expect(backend.ended.map(({ code }) => code)).toEqual(['VIO_RING_INFLIGHT']);
  });

  it('that the frontend truncates breaks its rings', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest({ features, ring });
    const directory = mkdtempSync(join(tmpdir(), 'vio-inflight-'));
    const fd = openSync(join(directory, 'buffer'), 'w+');
    ftruncateSync(fd, 4096);
    await start(backend, guest, { ...asked, mmapSize: 2 * inflightBytes(format, 8) }, fd);
    ftruncateSync(fd, 0);
    for (let burst = 0; burst < 64; burst++) {
      sendFrom(guest.rings[1], packet(60));
      receive(backend);
      guest.rings[1].used();
    }
    closeSync(fd);
    rmSync(directory, { recursive: true });
    expect(backend.broken.map(({ fault }) => fault.code)).toContain('MEMORY_FAULTED');
  });

  it('is let go of with its descriptor when the frontend leaves', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest({ features, ring });
    using memory = SharedMemory.create({ size: 4096, name: 'vio-test-guest' });
    const before = holdings();
    const area = { ...asked, mmapSize: 2 * inflightBytes(format, 8) };
    const { frontend } = await start(backend, guest, area, memory.fd);
    closeFd((await getInflight(frontend)).fd);
    frontend.close();
    await until(() => backend.ended.length > 0);
    expect(await holdingsLike(before)).toEqual(before);
  });
});

describe.each(formats)('an application that walks $format rings by itself', ({ format, features }) => {
  const type = { name: 'walked', id: 42, queues: 1, features };
  const area = { ...asked, queues: 1, mmapSize: inflightBytes(format, 8) };
  const one = { features, rings: 1, ring: { format } } as const;

  /** Some requests of a driver's. @returns what the application notes down of each that it has fetched */
  const ask = (guest: Guest, count: number): number[] =>
    guest.rings[0]
      .expose(
        ...Array.from({ length: count }, (_, i) => [
          { address: guest.rings[0].memory.put(`${i}`), length: 1 },
          { address: guest.rings[0].memory.alloc(8), length: 8, writable: true },
        ]),
      )
      .map((id, i) => (format === 'split' ? id : 2 * i));

  it('notes down what it has, and its successor has that first', async () => {
    await using backend = await TestBackend.start({ type });
    using guest = new Guest(one);
    using memory = SharedMemory.create({ size: 4096, name: 'vio-test-guest' });
    const { frontend } = await start(backend, guest, area, memory.fd);
    const heads = ask(guest, 3);
    const { device } = backend;
    const taken = heads.map((head) => device.setInflightDesc(0, head, head + 1));
    expect(device.vringInflight(0)).toEqual(taken);
    expect(device.vringBaseFromInflight(0)).toEqual(
      format === 'split' ? { lastAvail: 0, lastUsed: 0 } : { lastAvail: 0x8000, lastUsed: 0x8000 },
    );
    // It shows the first one as used, as a device queue does.
    device.setLastInflightIo(0, taken[0]);
    useFirst(device, guest);
    device.clearInflightDesc(0, taken[0], 1);
    expect(guest.rings[0].used()).toHaveLength(1);
    frontend.close();
    await until(() => backend.ended.length > 0);
    await start(backend, guest, area, memory.fd);
    expect(backend.device.vringInflight(0)).toEqual(taken.slice(1));
    expect(backend.device.vringBaseFromInflight(0)).toEqual(
      format === 'split' ? { lastAvail: 1, lastUsed: 1 } : { lastAvail: 0x8002, lastUsed: 0x8002 },
    );
    const chains = new ChainBurst(8);
    const ring = backend.device.rawVring(0);
    expect(ring?.fetch(chains)).toBe(2);
    ring?.complete(chains);
    expect(guest.rings[0].used()).toHaveLength(2);
    expect([backend.device.vringInflight(0), backend.broken]).toEqual([[], []]);
  });

  /** As a device does that marks its first chain used. */
  function useFirst(device: VhostDevice, { rings, regions }: Guest): void {
    const { addresses } = rings[0];
    const at = (offset: number, bytes: number): Uint8Array =>
      device.guestMemory(regions[0].guestAddress + offset, bytes) ?? new Uint8Array(bytes);
    if (format === 'packed') at(addresses.descriptors.offset + 8, 8).set([0, 0, 0, 0, 0, 0, 0x80, 0x80]);
    else at(addresses.device.offset + 2, 10).set([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  }

  it('does so for rings whose chains nobody else fetches', async () => {
    const state = expect.objectContaining({ code: 'VIO_VHOST_STATE' }) as Error;
    await using backend = await TestBackend.start({ type });
    using guest = new Guest(one);
    using memory = SharedMemory.create({ size: 4096, name: 'vio-test-guest' });
    const first = await backend.connect();
    expect(() => backend.device.setInflightDesc(0, 0)).toThrow(state);
    first.close();
    await until(() => backend.ended.length > 0);
    await start(backend, guest, area, memory.fd);
    const { device } = backend;
    expect(() => device.setInflightDesc(0, 8)).toThrow(RangeError);
    ask(guest, 1);
    device.rawVring(0)?.fetch(new ChainBurst(8));
    for (const call of [
      () => device.setInflightDesc(0, 0),
      () => device.setLastInflightIo(0, 0),
      () => device.clearInflightDesc(0, 0),
    ])
      expect(call).toThrow(state);
    expect(device.vringInflight(0)).toHaveLength(1);
  });

  it('does so where its frontend keeps a buffer, and of no network device, whose bursts do', async () => {
    const state = expect.objectContaining({ code: 'VIO_VHOST_STATE' }) as Error;
    await using without = await Pair.start({ flags: { type }, guest: one });
    expect(() => without.device.setInflightDesc(0, 0)).toThrow(state);
    expect(without.device.vringBaseFromInflight(0)).toBeUndefined();
    await using network = await Pair.start({ guest: { features, ring } });
    expect(() => network.device.setInflightDesc(1, 0)).toThrow(state);
  });

  const ring = { format };
});

describe('an inflight buffer is refused', () => {
  const bytes = inflightBytes('split', 8);

  it.each([
    ['for more rings than there are', 'VIO_VHOST_INFLIGHT', { queues: 6, mmapSize: 6 * bytes }],
    ['beyond its file', 'VIO_VHOST_MEMORY', { mmapSize: 8193 }],
    ['from the middle of a page on', 'VIO_VHOST_MEMORY', { mmapSize: 2 * bytes, mmapOffset: 64 }],
    ['of no bytes', 'VIO_VHOST_MEMORY', { mmapSize: 0 }],
  ])('%s', async (_, code, part) => {
    await using backend = await TestBackend.start();
    backend.driver.setQueueNum(2);
    using memory = SharedMemory.create({ size: 8192, name: 'vio-test-guest' });
    const frontend = await backend.connect();
    const before = holdings();
    const answer = await setInflight(frontend, { ...asked, ...part }, memory.fd);
    expect([answer, backend.refused.map((reason) => reason.code)]).toEqual([1n, [code]]);
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('for more rings than there are, when it is asked for', async () => {
    await using backend = await TestBackend.start();
    backend.driver.setQueueNum(2);
    const frontend = await backend.connect();
    await frontend.send(requests.GET_INFLIGHT_FD, { ...asked, queues: 6 });
    await until(() => backend.ended.length > 0);
    expect(backend.ended.map(({ code }) => code)).toEqual(['VIO_VHOST_INFLIGHT']);
  });

  it('while rings run', async () => {
    await using backend = await TestBackend.start();
    using guest = new Guest();
    using memory = SharedMemory.create({ size: 4096, name: 'vio-test-guest' });
    const area = { ...asked, mmapSize: 2 * bytes };
    const { frontend } = await start(backend, guest, area, memory.fd);
    expect(await setInflight(frontend, area, memory.fd)).toBe(1n);
    expect(backend.refused.map((reason) => reason.code)).toEqual(['VIO_VHOST_STATE']);
  });

  it.each([
    ['too small for its rings', { mmapSize: bytes }],
    ['for smaller rings', { mmapSize: 2 * bytes, queueSize: 4 }],
  ])('%s, once they are to run', async (_, part) => {
    await using backend = await TestBackend.start();
    using guest = new Guest();
    using memory = SharedMemory.create({ size: 4096, name: 'vio-test-guest' });
    await expect(start(backend, guest, { ...asked, ...part }, memory.fd)).rejects.toMatchObject(closed);
    expect(backend.ended.map(({ code }) => code)).toEqual(['VIO_VHOST_INFLIGHT']);
  });

  it('without its protocol feature', async () => {
    await using backend = await TestBackend.start();
    using memory = SharedMemory.create({ size: 4096, name: 'vio-test-guest' });
    const frontend = await backend.connect(8n);
    expect(await setInflight(frontend, { ...asked, mmapSize: 4096 }, memory.fd)).toBe(1n);
    expect(backend.refused.map((reason) => reason.code)).toEqual(['VIO_VHOST_NOT_NEGOTIATED']);
  });
});

it('rings beyond the buffer run without', async () => {
  await using backend = await TestBackend.start();
  using guest = new Guest();
  using memory = SharedMemory.create({ size: 4096, name: 'vio-test-guest' });
  await start(backend, guest, { ...asked, queues: 1, mmapSize: inflightBytes('split', 8) }, memory.fd);
  sendFrom(guest.rings[1], packet(60));
  expect(receive(backend)).toEqual([packet(60)]);
});
