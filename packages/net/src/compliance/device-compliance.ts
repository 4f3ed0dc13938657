import assert from 'node:assert/strict';
import { VioError } from '@vio/native';
import { isMac } from '../frames/mac-address.ts';
import type { DeviceMemory, MemoryRequest } from '../device/memory/device-memory.ts';
import type { NetDevice } from '../device/net-device.ts';
import { openPort } from '../device/open-port.ts';
import type { DevicePort } from '../device/device-port.ts';
import type { PortOptions } from '../device/port-options.ts';
import { WorkerPort } from '../port/worker-port.ts';
import {
  aWhile,
  buffersAtRest,
  rejectionCode,
  exchangeFrames,
  exchangeBursts,
  uniqueFrame,
} from './exchange.ts';
import {
  changeFrames,
  followsItsPort,
  readThroughStop,
  startLate,
  stopAndStart,
  stopQueues,
} from './operations.ts';
import type { ComplianceRunner } from './runner.ts';

/** A fresh device, whose other end sends back every frame it takes, on the queue pair it came from or on another. */
export interface DeviceUnderTest {
  /** The device. The suite closes it. */
  readonly device: NetDevice;
  /** Has the device end by itself, as when its process is killed; undefined: nothing here can have it do that. */
  readonly end?: (() => void) | undefined;
  /** Gives back what is behind the device, after it was closed. */
  close?(): void | Promise<void>;
}

/** Makes a device; each test asks for one. */
export type DeviceFactory = () => DeviceUnderTest | Promise<DeviceUnderTest>;

/** Wishes that are met by every device: what it does not offer is left out. */
const variants: readonly PortOptions[] = [
  {},
  { packed: false },
  { packed: false, inOrder: false },
  { inOrder: false },
  { mergeable: false },
  { eventIdx: true },
  { packed: false, eventIdx: true },
];
const sizes = [60, 61, 64, 127, 1024, 1513, 1514];

/**
 * Declares the suite that every `NetDevice` passes: that ports on it carry frames with every set of features, that it keeps
 * to the order of its calls, lets go of memory when it is stopped, says why it ended, and is able to do what it says.
 *
 * ```ts
 * import { describe, it } from 'vitest';
 * describeDeviceCompliance('my transport', () => ({ device: new MyDevice() }), { describe, it });
 * ```
 * @param options for the ports on the device, where a transport needs some
 */
export function describeDeviceCompliance(
  name: string,
  create: DeviceFactory,
  runner: ComplianceRunner,
  options: PortOptions = {},
): void {
  const { describe, it } = runner;
  const onPort = (more: PortOptions, body: (port: DevicePort, under: DeviceUnderTest) => Promise<void>) =>
    withDevice(create, async (under) => {
      await using port = await openPort(under.device, { ...options, ...more });
      await body(port, under);
    });
  describe(name, () => {
    for (const variant of variants) {
      it(`carries frames of every size with ${describeOptions(variant)}`, () =>
        onPort(variant, async (port) => {
          for (let round = 0; round < 3; round++) {
            const frames = sizes.map((size) => uniqueFrame(port, size));
            await exchangeFrames(port, frames);
            await exchangeBursts(port, 0, frames);
          }
        }));
    }
    it('goes around its rings', () =>
      onPort({}, async (port) => {
        const count = 2 * port.tx[0].queue.size + 1;
        const before = await buffersAtRest(port);
        await exchangeFrames(
          port,
          Array.from({ length: count }, () => uniqueFrame(port, 60)),
        );
        assert.equal(await buffersAtRest(port), before, 'every buffer is there');
      }));
    it('has rings of the size that is asked for, or says that it cannot', () => ringSizes(create, options));
    it('has receive and transmit rings of two sizes, or says that it cannot', () =>
      twoSizes(create, options));
    it('refuses another size of rings where only that one will do', () => exactSize(create, options));
    it('carries frames of several queue pairs, if it has them', () => severalPairs(create, options));
    it('offers what its transport needs', () =>
      withDevice(create, async ({ device }) => {
        const offered = await device.features({ timeout: 5000 });
        assert.equal(device.traits.needed & ~offered, 0n);
        const config = await device.config?.read(offered, { timeout: 5000 });
        assert.ok((await device.maxPairs({ timeout: 5000 })) >= 1);
        if (config?.mac !== undefined) assert.ok(isMac(config.mac), config.mac);
      }));
    it('gives memory that is all zero, as large as it was asked for', () => memoryAsAsked(create, options));
    it('does not touch memory any more once it is stopped', () => handsOff(create, options));
    it('can be stopped and closed again and again', () =>
      withDevice(create, async ({ device }) => {
        const port = await openPort(device, options);
        await port.close();
        await device.stop({ timeout: 1000 });
        device.close();
        await device.stop({ timeout: 1000 });
      }));
    it('can be closed before anything else', () =>
      withDevice(create, async ({ device }) => {
        device.close();
        await Promise.resolve();
      }));
    it('tells why it ended by itself, to whoever still wants to know', () => ending(create, options));
    it('tells nobody of an end that was asked for', () =>
      withDevice(create, async ({ device }) => {
        const port = await openPort(device, options);
        let told = 0;
        device.onDown(() => told++);
        await port.close();
        await aWhile();
        assert.equal(told, 0);
      }));
    it('resets single queues while others go on, or says that it cannot', () =>
      onPort({}, async (port, { device }) => {
        for (const direction of ['rx', 'tx'] as const) {
          const reset = port.resetQueue({ direction, queue: 0 });
          const code = await rejectionCode(reset);
          assert.equal(code, device.reset === undefined ? 'VIO_FEATURE_MISSING' : undefined);
          await exchangeFrames(
            port,
            sizes.map((size) => uniqueFrame(port, size)),
          );
        }
      }));
    it('is stopped and started without being closed', () => onPort({}, stopAndStart));
    it('keeps its readers while it is stopped', () => onPort({}, readThroughStop));
    it('has single queues stopped and started', () => onPort({}, stopQueues));
    it('has queues whose start is deferred', () =>
      withDevice(create, ({ device }) => startLate(device, options)));
    it('changes MTU and VLAN offload while it runs', () => onPort({ mtu: 1500 }, changeFrames));
    it('takes more memory while it runs, or says that it cannot', () =>
      onPort({ memory: { ...options.memory, maxBuffers: 4000 } }, moreMemory));
    it('hands its queue pairs over, each to be served on its own, or says that it cannot', () =>
      detached(create, options));
  });
}

async function withDevice(
  create: DeviceFactory,
  body: (under: DeviceUnderTest) => Promise<void>,
): Promise<void> {
  const under = await create();
  try {
    await body(under);
  } finally {
    under.device.close();
    await under.close?.();
  }
}

function describeOptions(options: PortOptions): string {
  const text = Object.entries(options).map(([name, value]) => `${name}: ${String(value)}`);
  return text.length === 0 ? 'whatever it offers' : text.join(', ');
}

async function ringSizes(create: DeviceFactory, options: PortOptions): Promise<void> {
  for (const queueSize of [64, 512]) {
    await withDevice(create, async ({ device }) => {
      try {
        await using port = await openPort(device, { ...options, packed: false, queueSize });
        checkSizes(port, queueSize, queueSize);
        await exchangeFrames(port, [uniqueFrame(port, 60)]);
      } catch (error) {
        if (!VioError.is(error)) throw error;
      }
    });
  }
}

/** Rings have the size that was asked for, or there is a warning for each that has not. */
function checkSizes(port: DevicePort, rx: number, tx: number): void {
  const other = [port.rx[0].queue.size !== rx, port.tx[0].queue.size !== tx].filter(Boolean);
  assert.deepEqual(
    port.warnings.map(({ code }) => code),
    other.map(() => 'VIO_QUEUE_SIZE'),
  );
}

async function twoSizes(create: DeviceFactory, options: PortOptions): Promise<void> {
  for (const [rx, tx] of [
    [128, 32],
    [32, 128],
  ]) {
    await withDevice(create, async ({ device }) => {
      await using port = await openPort(device, { ...options, rxQueueSize: rx, txQueueSize: tx });
      checkSizes(port, rx, tx);
      const count = 2 * Math.max(port.rx[0].queue.size, port.tx[0].queue.size) + 1;
      await exchangeFrames(
        port,
        Array.from({ length: count }, () => uniqueFrame(port, 60)),
      );
    });
  }
}

async function exactSize(create: DeviceFactory, options: PortOptions): Promise<void> {
  await withDevice(create, async ({ device }) => {
    const opening = openPort(device, { ...options, queueSize: 32, exactQueueSize: true });
    const port = await opening.catch((error: unknown) => {
      assert.ok(VioError.is(error) && error.code === 'VIO_QUEUE_SIZE', String(error));
      return undefined;
    });
    if (port === undefined) return;
    assert.deepEqual([port.rx[0].queue.size, port.tx[0].queue.size, port.warnings], [32, 32, []]);
    await port.close();
  });
}

async function severalPairs(create: DeviceFactory, options: PortOptions): Promise<void> {
  await withDevice(create, async ({ device }) => {
    let port: DevicePort;
    try {
      port = await openPort(device, { ...options, queues: 2 });
    } catch (error) {
      if (VioError.is(error) && /VIO_(FEATURE_MISSING|QUEUE_COUNT)/.test(error.code)) return;
      throw error;
    }
    try {
      for (const pair of [1, 0]) {
        const frames = sizes.map((size) => uniqueFrame(port, size));
        await exchangeBursts(port, pair, frames);
      }
    } finally {
      await port.close();
    }
  });
}

/** The same device, with something done to the memory it gives. */
function withMemory(
  device: NetDevice,
  change: (memory: DeviceMemory, request: MemoryRequest) => DeviceMemory,
): NetDevice {
  const allocate = (request: MemoryRequest): DeviceMemory => change(device.allocate(request), request);
  return new Proxy(device, {
    get(target, key) {
      if (key === 'allocate') return allocate;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function memoryAsAsked(create: DeviceFactory, options: PortOptions): Promise<void> {
  await withDevice(create, async ({ device }) => {
    const seen: { memory: DeviceMemory; request: MemoryRequest; zero: boolean }[] = [];
    const looked = withMemory(device, (memory, request) => {
      const zero = Buffer.from(memory.buffer, 0, request.startBytes).every((byte) => byte === 0);
      seen.push({ memory, request, zero });
      return memory;
    });
    await using port = await openPort(looked, options);
    const [{ memory, request, zero }] = seen;
    const { byteLength } = memory.buffer;
    assert.equal(seen.length, 1);
    assert.ok(zero, 'all zero');
    assert.ok(byteLength >= request.bytes, 'all of it can be mapped');
    assert.ok(
      memory.ready >= request.startBytes && memory.ready <= byteLength,
      'what it begins with is there',
    );
    assert.equal(memory.address >> 32n, (memory.address + BigInt(byteLength) - 1n) >> 32n, 'within 4 GiB');
    assert.equal(port.region.u8.buffer, memory.buffer);
  });
}

async function handsOff(create: DeviceFactory, options: PortOptions): Promise<void> {
  await withDevice(create, async ({ device }) => {
    const kept: DeviceMemory[] = [];
    const keeping = withMemory(device, (memory) => {
      kept.push(memory);
      const { buffer, address, fd, ready } = memory;
      return { buffer, address, fd, ready, close: () => {} };
    });
    const port = await openPort(keeping, options);
    for (let i = 0; i < 8; i++) await port.send(uniqueFrame(port, 1514));
    await device.stop({ timeout: 1000 });
    const [memory] = kept;
    const before = Buffer.from(new Uint8Array(memory.buffer));
    await aWhile();
    const untouched = before.equals(Buffer.from(memory.buffer));
    await port.close();
    memory.close();
    assert.ok(untouched);
  });
}

async function ending(create: DeviceFactory, options: PortOptions): Promise<void> {
  await withDevice(create, async ({ device, end }) => {
    await using port = await openPort(device, options);
    assert.equal(device.down, undefined);
    const told: unknown[] = [];
    const taken = device.onDown(() => told.push('a handler that was taken back'));
    taken();
    taken();
    device.onDown((reason) => told.push(reason));
    if (end === undefined) return;
    const gone = new Promise((resolve) => device.onDown(resolve));
    end();
    await gone;
    const late = new Promise((resolve) => device.onDown(resolve));
    const reason = device.down;
    assert.ok(VioError.is(reason));
    assert.deepEqual(told, [reason]);
    assert.equal(await late, reason);
    assert.deepEqual(port.link, { up: false, reason });
  });
}

async function moreMemory(port: DevicePort, { device }: DeviceUnderTest): Promise<void> {
  const before = port.pool.count;
  const grown = await port.growPool(500).catch((error: unknown) => error);
  if (typeof grown !== 'number') {
    assert.equal(device.memorySlots, undefined);
    assert.ok(VioError.is(grown) && grown.code === 'VIO_FEATURE_MISSING', String(grown));
    return;
  }
  assert.ok(grown >= 500);
  assert.equal(port.pool.count, before + grown);
  // With those of before put aside, the new ones carry the frames.
  const aside = new Int32Array(port.pool.count);
  const held = port.pool.alloc(aside, 0, port.pool.free - 40);
  await exchangeBursts(
    port,
    0,
    sizes.map((size) => uniqueFrame(port, size)),
  );
  port.pool.release(aside, 0, held);
}

async function detached(create: DeviceFactory, options: PortOptions): Promise<void> {
  await withDevice(create, async ({ device }) => {
    const opening = openPort(device, { ...options, detached: true });
    const port = await opening.catch((error: unknown) => {
      if (VioError.is(error) && error.code === 'VIO_MEMORY_SHARE') return undefined;
      throw error;
    });
    if (port === undefined) return;
    try {
      using worker = WorkerPort.open(port.handles[0]);
      for (let round = 0; round < 2; round++) {
        const frames = sizes.map((size) => uniqueFrame(worker, size));
        await exchangeFrames(worker, frames);
        await exchangeBursts(worker, 0, frames);
      }
      await followsItsPort(port, worker);
    } finally {
      await port.close();
    }
  });
}
