import { EventFd, SharedMemory, UnixStream, VioError } from '@vio/native';
import { VIRTIO_F_INDIRECT_DESC, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { holdings, holdingsLike, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { LoopbackVdpa, type LoopbackVdpaOptions, type ScriptedFrontend } from '../../testing/index.ts';
import { Guest, type GuestOptions } from '../../test-support/guest.ts';
import { packet, sendFrom, supply } from '../../test-support/packets.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import {
  MessageReader,
  VHOST_F_LOG_ALL,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_HOST_NOTIFIER,
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  VHOST_USER_PROTOCOL_F_RARP,
  backendRequests,
  closeAll,
  decodeRequest,
  encodeAck,
  frontendRequests as requests,
} from '../../wire/index.ts';

const page = 4096;
const guestBase = 0x1_0000_0000;
const logBytes = (guestBase + 0x40_0000) / page / 8;

interface SetUp extends AsyncDisposable {
  readonly backend: TestBackend;
  readonly device: LoopbackVdpa;
  readonly guest: Guest;
  readonly frontend: ScriptedFrontend;
}

/** A backend whose device is a loopback, and a driver that has started. */
async function setUp(options: LoopbackVdpaOptions = {}, guestOptions: GuestOptions = {}): Promise<SetUp> {
  const device = new LoopbackVdpa(options);
  const backend = new TestBackend();
  backend.driver.attachVdpaDevice(device);
  await backend.driver.start();
  const frontend = await backend.connect();
  const guest = new Guest(guestOptions);
  await guest.start(frontend);
  return {
    backend,
    device,
    guest,
    frontend,
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      guest[Symbol.dispose]();
    },
  };
}

let seed = 0;

/** A packet that goes out comes back. @returns guest address of the buffer it is in */
async function echo({ guest }: Pick<SetUp, 'guest'>): Promise<number> {
  const [rx, tx] = guest.rings;
  const bytes = packet(60 + (seed % 100), seed++);
  const address = supply(rx, 2048);
  guest.kicks[0].signal();
  sendFrom(tx, bytes);
  guest.kicks[1].signal();
  let used: readonly { length: number }[] = [];
  await until(() => (used = [...used, ...rx.used()]).length > 0);
  expect(used).toEqual([expect.objectContaining({ length: 12 + bytes.length })]);
  expect(rx.memory.read(address + 12, bytes.length)).toEqual(bytes);
  await until(() => tx.used().length > 0);
  return address;
}

const packed = {
  features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED,
  ring: { format: 'packed' },
} as const;
const split = {} satisfies GuestOptions;

/** The log of a guest that is moved. */
async function log({ frontend, guest }: SetUp): Promise<{ marked(address: number): boolean } & Disposable> {
  const memory = SharedMemory.create({ size: logBytes, name: 'vio-test-log', populate: false });
  await frontend.ask(requests.SET_LOG_BASE, { size: logBytes, offset: 0 }, { fds: [memory.fd] });
  await frontend.send(requests.SET_FEATURES, guest.features | VHOST_F_LOG_ALL);
  await handled(frontend);
  const u8 = new Uint8Array(memory.buffer);
  return {
    marked(address) {
      const bit = Math.floor(address / page);
      return (Atomics.and(u8, bit >> 3, ~(1 << (bit & 7))) & (1 << (bit & 7))) !== 0;
    },
    [Symbol.dispose]: () => memory.close(),
  };
}

describe('what a device and the library can do', () => {
  it('is offered, and nothing that only one of them can', async () => {
    const device = new LoopbackVdpa({ features: VIRTIO_F_VERSION_1 | (1n << 33n), queueNum: 3 });
    await using backend = new TestBackend();
    const { driver } = backend;
    const before = { features: driver.features, queueNum: driver.queueNum };
    driver.attachVdpaDevice(device);
    expect(driver).toMatchObject({ features: VIRTIO_F_VERSION_1, queueNum: 3, vdpaDevice: device });
    const protocol = driver.protocolFeatures;
    expect(protocol & VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD).toBe(0n);
    expect(protocol & VHOST_USER_PROTOCOL_F_RARP).toBe(0n);
    expect(protocol & VHOST_USER_PROTOCOL_F_CONFIG).toBe(VHOST_USER_PROTOCOL_F_CONFIG);
    await driver.detachVdpaDevice();
    expect(driver).toMatchObject({ ...before, vdpaDevice: undefined });
    driver.setQueueNum(2);
    driver.attachVdpaDevice(device);
    expect(driver.queueNum).toBe(2);
  });

  it('has its configuration space, which it may write', async () => {
    await using all = await setUp();
    const { frontend, device } = all;
    const read = async () =>
      (await frontend.ask(requests.GET_CONFIG, { offset: 0, flags: 0, data: new Uint8Array(10) }))?.data;
    expect(await read()).toEqual(device.space);
    await frontend.send(requests.SET_CONFIG, { offset: 0, flags: 0, data: Uint8Array.of(6) });
    expect((await read())?.[0]).toBe(6);
  });

  it('counts, and forgets', async () => {
    await using all = await setUp();
    await echo(all);
    const { stats } = all.device;
    expect([stats.names, await stats.get(0)]).toEqual([['looped'], [1]]);
    await stats.reset(0);
    expect(await stats.get(1)).toEqual([0]);
  });

  it.each([
    ['another type', { deviceType: 2 }, {}, 'VIO_VHOST_DEVICE_TYPE'],
    ['drivers behind an I/O MMU', {}, { iommuSupport: true }, 'VIO_OPTION_CONFLICT'],
  ])('does not go together: %s', async (_, more, flags, code) => {
    await using backend = new TestBackend(flags);
    const device = Object.assign(new LoopbackVdpa(), more);
    expect(() => backend.driver.attachVdpaDevice(device)).toThrow(expect.objectContaining({ code }));
  });
});

describe.each([
  ['split', split],
  ['packed', packed],
])('the %s rings of a driver', (format, options) => {
  it('are worked on by the device, and not by this process', async () => {
    await using all = await setUp({}, options);
    const { device, backend } = all;
    for (let i = 0; i < 20; i++) await echo(all);
    expect(device.told).toEqual([`configure ${backend.device.vid} direct ${format}`]);
    expect(backend.events).toEqual(expect.arrayContaining(['vringStateChanged 0 1 on', 'newDevice 0']));
    expect([backend.device.vdpaDevice, backend.device.rawVring(0)]).toEqual([device, undefined]);
    expect(backend.device.running).toBe(true);
  });

  it('are told where they stopped, and go on there', async () => {
    await using all = await setUp({}, options);
    const { guest, frontend, device } = all;
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 11; i++) await echo(all);
      const bases = [];
      for (const index of [0, 1])
        bases.push((await frontend.ask(requests.GET_VRING_BASE, { index, value: 0 }))?.value);
      const count = 11 * (round + 1);
      const at = (count % 8) | (Math.floor(count / 8) % 2 === 0 ? 0x8000 : 0);
      const expected = format === 'split' ? count : ((at << 16) | at) >>> 0;
      expect(bases).toEqual([expected, expected]);
      for (const index of [0, 1]) {
        for (const { name, run } of guest.ringSteps(index)) {
          if (!name.startsWith('SET_VRING_BASE')) await run(frontend);
          else await frontend.send(requests.SET_VRING_BASE, { index, value: expected });
        }
        await frontend.send(requests.SET_VRING_ENABLE, { index, value: 1 });
      }
      await handled(frontend);
    }
    await echo(all);
    expect(device.told.at(-1)).toMatch(/^configure \d+ relayed split$/);
  });

  it('are passed on and marked while a guest is moved', async () => {
    await using all = await setUp({}, options);
    const { device, guest } = all;
    await echo(all);
    using marks = await log(all);
    expect(device.told.at(-1)).toMatch(/relayed split$/);
    for (let i = 0; i < 20; i++) {
      const address = await echo(all);
      expect(marks.marked(address)).toBe(true);
    }
    const used =
      guest.regions[0].guestAddress +
      (format === 'split'
        ? guest.rings[0].addresses.device.offset
        : guest.rings[0].addresses.descriptors.offset);
    await until(() => marks.marked(used));
    await all.frontend.send(requests.SET_FEATURES, guest.features);
    await handled(all.frontend);
    const address = await echo(all);
    expect(marks.marked(address)).toBe(false);
  });

  it('come back in order from a device that is disorderly, while they are passed on', async () => {
    await using all = await setUp({ disorderly: true }, options);
    await echo(all);
    using _ = await log(all);
    const [rx, tx] = all.guest.rings;
    const supplied = [0, 1, 2].map(() => supply(rx, 2048));
    for (let i = 0; i < 3; i++) sendFrom(tx, packet(60, i));
    for (const kick of all.guest.kicks) kick.signal();
    let count = 0;
    await until(() => (count += rx.used().length) === 3);
    for (const [i, address] of supplied.entries())
      expect(rx.memory.read(address + 12, 60)).toEqual(packet(60, i));
  });

  it('whose driver writes nonsense are broken while they are passed on, and nothing else is', async () => {
    await using all = await setUp({}, options);
    await echo(all);
    using _ = await log(all);
    const [rx] = all.guest.rings;
    rx.expose([{ address: 0xdead_0000_0000, length: 100, writable: true }]);
    all.guest.kicks[0].signal();
    await until(() => all.backend.broken.length > 0);
    expect(all.backend.broken).toEqual([
      { queue: 0, fault: expect.objectContaining({ code: expect.any(String) as string }) },
    ]);
    expect(all.backend.ended).toEqual([]);
  });
});

describe('while a device works', () => {
  it('another call is told to it, before and after', async () => {
    await using all = await setUp();
    const { frontend, device, guest } = all;
    await echo(all);
    device.told.length = 0;
    using call = EventFd.create();
    await frontend.send(requests.SET_VRING_CALL, { index: 0, hasFd: true }, { fds: [call.fd] });
    await handled(frontend);
    expect(device.told).toEqual(['vring 0 off', 'vring 0 on']);
    guest.calls[0].drain();
    await echo(all);
    expect([call.drain(), guest.calls[0].drain()]).toEqual([true, false]);
  });

  it('a ring that is enabled or not is told to it', async () => {
    await using all = await setUp();
    const { frontend, device } = all;
    device.told.length = 0;
    for (const value of [0, 1]) await frontend.send(requests.SET_VRING_ENABLE, { index: 1, value });
    await handled(frontend);
    expect(device.told).toEqual(['vring 1 off', 'vring 1 on']);
    await echo(all);
  });

  it('requests wait until it has begun, and are answered in their order', async () => {
    const device = new LoopbackVdpa();
    let begin = (): void => {};
    device.onConfigure = () => new Promise((resolve) => (begin = resolve));
    await using backend = new TestBackend();
    backend.driver.attachVdpaDevice(device);
    await backend.driver.start();
    const frontend = await backend.connect();
    using guest = new Guest();
    for (const { run } of guest.steps()) await run(frontend);
    const answered: string[] = [];
    const asking = frontend.ask(requests.GET_FEATURES, undefined).then(() => answered.push('features'));
    await until(() => device.told.length > 0);
    expect(answered).toEqual([]);
    begin();
    await asking;
    expect(answered).toEqual(['features']);
    await echo({ guest });
  });

  it('its configuration changes are told to the frontend', async () => {
    await using all = await setUp();
    const [mine, theirs] = UnixStream.pair();
    await all.frontend.acknowledged(requests.SET_BACKEND_REQ_FD, undefined, { fds: [theirs.fd] });
    theirs.close();
    all.device.changeConfig(6, 0);
    expect(await mine.readable({ timeout: 2000 })).toBeUndefined();
    mine.close();
  });

  it.each([
    ['the connection ends', async (all: SetUp) => Promise.resolve(all.frontend.close())],
    ['the driver resets it', (all: SetUp) => all.frontend.send(requests.SET_STATUS, 0)],
    ['it is reset', (all: SetUp) => all.frontend.send(requests.RESET_DEVICE, undefined)],
  ])('lets go of rings and memory when %s', async (_, action) => {
    await using all = await setUp();
    await echo(all);
    await action(all);
    await until(() => all.device.frontend === undefined);
    expect(all.device.told.find((what) => what.startsWith('stop'))).toBeDefined();
    expect(all.device.frontend).toBeUndefined();
  });

  it('a driver that was reset starts afresh', async () => {
    await using all = await setUp();
    await echo(all);
    await all.frontend.send(requests.SET_STATUS, 0);
    using again = new Guest();
    await again.start(all.frontend);
    await echo({ guest: again });
    expect(all.device.told.at(-1)).toMatch(/direct split$/);
  });
});

describe('doorbells', () => {
  it('are handed to frontends that take them, and taken back', async () => {
    const file = SharedMemory.create({ size: 2 * page, name: 'vio-test-doorbells' });
    const device = new LoopbackVdpa({
      notifyArea: (queue) => ({ fd: file.fd, offset: queue * page, size: page }),
    });
    await using backend = new TestBackend();
    backend.driver.attachVdpaDevice(device);
    await backend.driver.start();
    expect(backend.driver.protocolFeatures & VHOST_USER_PROTOCOL_F_HOST_NOTIFIER).not.toBe(0n);
    const frontend = await backend.connect();
    const [mine, theirs] = UnixStream.pair();
    await frontend.acknowledged(requests.SET_BACKEND_REQ_FD, undefined, { fds: [theirs.fd] });
    theirs.close();
    using guest = new Guest();
    await guest.start(frontend);
    const reader = new MessageReader(mine);
    const next = async () => {
      for (let message = reader.read(); ; message = reader.read()) {
        if (message === undefined) {
          await mine.readable({ timeout: 2000 });
          continue;
        }
        const { id } = backendRequests.BACKEND_VRING_HOST_NOTIFIER_MSG;
        await mine.send(encodeAck(id, 0));
        const area = decodeRequest(backendRequests.BACKEND_VRING_HOST_NOTIFIER_MSG, message);
        closeAll(message.fds);
        return { ...area, fds: message.fds.length };
      }
    };
    const given = (index: number) => ({ index, hasFd: true, size: page, offset: index * page, fds: 1 });
    expect([await next(), await next()]).toEqual([given(0), given(1)]);
    await frontend.ask(requests.GET_VRING_BASE, { index: 0, value: 0 });
    const taken = (index: number) => ({ ...given(index), hasFd: false, fds: 0 });
    expect([await next(), await next()]).toEqual([taken(0), taken(1)]);
    mine.close();
    file.close();
  });
});

describe('faults', () => {
  const failure = new VioError('it does not start', { code: 'VIO_TEST', remedy: 'none' });

  it.each([
    ['fails by name', () => Promise.reject(failure), 'VIO_TEST'],
    [
      'throws something else',
      () => {
        throw new TypeError('oops');
      },
      'VIO_VDPA_FAILED',
    ],
  ])('a device that %s ends the connection, and works for the next', async (_, onConfigure, code) => {
    const device = new LoopbackVdpa();
    device.onConfigure = onConfigure;
    await using backend = new TestBackend();
    backend.driver.attachVdpaDevice(device);
    await backend.driver.start();
    using guest = new Guest();
    const frontend = await backend.connect();
    await guest.start(frontend).catch(() => {});
    await until(() => backend.ended.length > 0);
    expect(backend.ended).toEqual([expect.objectContaining({ code })]);
    device.onConfigure = () => {};
    using next = new Guest();
    await next.start(await backend.connect());
    await echo({ guest: next });
  });

  it('a driver that is closed while its device begins waits for it', async () => {
    const device = new LoopbackVdpa();
    let begin = (): void => {};
    device.onConfigure = () => new Promise((resolve) => (begin = resolve));
    await using backend = new TestBackend();
    backend.driver.attachVdpaDevice(device);
    await backend.driver.start();
    using guest = new Guest();
    const frontend = await backend.connect();
    for (const { run } of guest.steps()) await run(frontend);
    await until(() => device.told.length > 0);
    const closing = backend.driver.close();
    begin();
    await closing;
    const vid = backend.device.vid;
    expect(device.told).toEqual([`configure ${vid} direct split`, `stop ${vid}`, `cleanup ${vid}`]);
  });

  it('rings that are too long for it are named', async () => {
    const device = new LoopbackVdpa({ maxRingSize: 4 });
    await using backend = new TestBackend();
    backend.driver.attachVdpaDevice(device);
    await backend.driver.start();
    using guest = new Guest();
    await guest.start(await backend.connect()).catch(() => {});
    await until(() => backend.ended.length > 0);
    expect(backend.ended).toEqual([expect.objectContaining({ code: 'VIO_VHOST_RING' })]);
  });

  it('memory that is not in whole pages is named', async () => {
    const device = new LoopbackVdpa();
    await using backend = new TestBackend();
    backend.driver.attachVdpaDevice(device);
    await backend.driver.start();
    using guest = new Guest();
    const frontend = await backend.connect();
    await guest
      .start(frontend, {
        SET_MEM_TABLE: (f) =>
          f.send(
            requests.SET_MEM_TABLE,
            guest.regions.map((region) => ({ ...region, size: region.size - 8 })),
            { fds: guest.regions.map(() => guest.fd) },
          ),
      })
      .catch(() => {});
    await until(() => backend.ended.length > 0);
    expect(backend.ended).toEqual([expect.objectContaining({ code: 'VIO_VDPA_MEMORY' })]);
  });

  it('leave nothing behind, whatever the rings were and however it ends', async () => {
    const round = async (): Promise<void> => {
      for (const options of [split, packed]) {
        await using all = await setUp({}, options);
        await echo(all);
        using _ = await log(all);
        await echo(all);
        all.device.pull(failure);
        await until(() => all.backend.ended.length > 0);
        expect(all.backend.ended).toEqual([failure]);
      }
    };
    await round();
    const before = holdings();
    await round();
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('chains of many descriptors are passed on, by a table as well', async () => {
    await using all = await setUp(
      {},
      { features: VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC, ring: { indirect: true } },
    );
    await echo(all);
    using _ = await log(all);
    const [rx, tx] = all.guest.rings;
    const address = supply(rx, 2048);
    const frame = new Uint8Array(12 + 6);
    frame.set([1, 2, 3, 4, 5, 6], 12);
    const at = tx.memory.put(frame);
    tx.expose([{ table: Array.from({ length: 6 }, (_each, i) => ({ address: at + 3 * i, length: 3 })) }]);
    for (const kick of all.guest.kicks) kick.signal();
    await until(() => rx.used().length > 0);
    expect(rx.memory.read(address + 12, 6)).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
  });
});
