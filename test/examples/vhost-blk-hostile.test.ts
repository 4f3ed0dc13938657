// Drivers that want to do a disk harm: any request in any chain, over a connection of their own. The image changes only where a
// request says so that was not refused, its size never, and the next driver is served as ever.
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventFd, SharedMemory, UnixStream } from '@vio/native';
import { MemoryMap, Region, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { Random, ScriptedDriver, type ScriptedBuffer } from '@vio/rings/testing';
import { wire } from '@vio/vhost';
import { ScriptedFrontend } from '@vio/vhost/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlkDevice } from '../../examples/vhost-blk/dist/blk-device.js';
import * as blk from '../../examples/vhost-blk/dist/blk-layout.js';

const requests = wire.frontendRequests;
const directory = mkdtempSync(join(tmpdir(), 'vio-blk-hostile-'));
const path = join(directory, 'disk.img');
const socket = join(directory, 'blk.sock');
const sectors = 2048;
const memoryBytes = 1 << 22;
const guestBase = 0x1_0000_0000;
const size = 64;

/** A driver with a ring in memory of its own, connected to the disk. */
class Driver implements Disposable {
  readonly ring: ScriptedDriver;
  readonly memory = SharedMemory.create({ size: memoryBytes, name: 'vio-blk-driver' });
  readonly kick = EventFd.create();
  readonly error = EventFd.create();
  readonly #frontend: ScriptedFrontend;

  private constructor(frontend: ScriptedFrontend) {
    this.#frontend = frontend;
    const region = new Region(this.memory.buffer, 0, memoryBytes);
    const window = { region, guestAddress: guestBase, userAddress: guestBase, size: memoryBytes };
    const features = { format: 'split', inOrder: false, indirect: true, eventIdx: false } as const;
    this.ring = new ScriptedDriver({ memory: new MemoryMap([window]), size, features });
  }

  static async connect(to = socket): Promise<Driver> {
    const driver = new Driver(new ScriptedFrontend(await UnixStream.connect(to)));
    await driver.#start();
    return driver;
  }

  async #start(): Promise<void> {
    const frontend = this.#frontend;
    const region = { guestAddress: guestBase, userAddress: guestBase, size: memoryBytes, mmapOffset: 0 };
    const all =
      VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | blk.VIRTIO_BLK_F_DISCARD | blk.VIRTIO_BLK_F_WRITE_ZEROES;
    const { descriptors, driver, device } = this.ring.addresses;
    const places = {
      descriptors: guestBase + descriptors.offset,
      driver: guestBase + driver.offset,
      device: guestBase + device.offset,
    };
    await frontend.send(requests.SET_OWNER, undefined);
    await frontend.send(requests.SET_FEATURES, all);
    await frontend.send(requests.SET_MEM_TABLE, [region], { fds: [this.memory.fd] });
    await frontend.send(requests.SET_VRING_NUM, { index: 0, value: size });
    await frontend.send(requests.SET_VRING_BASE, { index: 0, value: 0 });
    await frontend.send(requests.SET_VRING_ADDR, { index: 0, flags: 0, log: 0, ...places });
    await frontend.send(requests.SET_VRING_ERR, { index: 0, hasFd: true }, { fds: [this.error.fd] });
    await frontend.send(requests.SET_VRING_KICK, { index: 0, hasFd: true }, { fds: [this.kick.fd] });
    await this.sync();
  }

  /** Everything that was said has been handled. */
  async sync(): Promise<void> {
    await this.#frontend.ask(requests.GET_FEATURES, undefined);
  }

  /** Kicks, and waits until everything is used, or the ring is broken. @returns false: it is broken */
  async settle(chains: number): Promise<boolean> {
    this.kick.signal();
    for (let used = 0; ;) {
      used += this.ring.used().length;
      if (used === chains) return true;
      if (this.error.drain()) return false;
      await new Promise(setImmediate);
    }
  }

  [Symbol.dispose](): void {
    this.#frontend.close();
    this.memory.close();
    this.kick.close();
    this.error.close();
  }
}

function header(type: number, sector: bigint): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(type);
  bytes.writeBigUInt64LE(sector, 8);
  return bytes;
}

/** A good read of one sector. @returns its first byte; undefined: it was not answered OK */
async function read(driver: Driver, sector: number): Promise<number | undefined> {
  const { memory } = driver.ring;
  const room = memory.put(new Uint8Array(513).fill(0xee));
  driver.ring.expose([
    { address: memory.put(header(blk.VIRTIO_BLK_T_IN, BigInt(sector))), length: 16 },
    { address: room, length: 513, writable: true },
  ]);
  await driver.settle(1);
  const bytes = memory.read(room, 513);
  return bytes[512] === blk.VIRTIO_BLK_S_OK ? bytes[0] : undefined;
}

const types = [0, 0, 1, 1, 4, 8, 11, 13, 13, 2, 0xffff_ffff];
const sectorNumbers = [
  0n,
  1n,
  7n,
  2047n,
  2048n,
  2049n,
  2n ** 32n,
  2n ** 53n,
  2n ** 55n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];
const lengths = [0, 1, 16, 20, 511, 512, 513, 1024, 4096, 1 << 20, memoryBytes, 0x7fff_ffff, 0xffff_ffff];
const addresses = [0n, 2n ** 64n - 1n, BigInt(guestBase + memoryBytes - 1), BigInt(guestBase) - 1n];

/** A request, and what of the disk it may change. */
interface Attack {
  readonly chain: ScriptedBuffer[];
  /** First sector and number of sectors. */
  readonly names: readonly (readonly [sector: bigint, count: number])[];
  /** Where it is answered; undefined: somewhere. */
  readonly status: number | undefined;
}

/**
 * A request that a driver should not make, and now and then one that it may.
 * @param wild the chain breaks the ring, too
 */
function anyAttack(random: Random, { ring }: Driver, wild: boolean): Attack {
  const { memory } = ring;
  const type = random.pick(types);
  const sector = random.pick(sectorNumbers);
  const names: [bigint, number][] = [];
  const ranges = type > 8 ? random.below(4) : 0;
  const head = Buffer.concat([header(type, sector), Buffer.alloc(16 * ranges)]);
  for (let at = 16; at < head.length; at += 16) {
    const range: [bigint, number] = [
      random.pick(sectorNumbers),
      random.pick([0, 1, 8, 0x8000, 0x8001, 0xffff_ffff]),
    ];
    head.writeBigUInt64LE(range[0], at);
    head.writeUInt32LE(range[1], at + 8);
    head.writeUInt32LE(random.pick([0, 0, 1, 2]), at + 12);
    names.push(range);
  }
  const sent = random.chance(0.9) ? head : head.subarray(0, 1 + random.below(15));
  const chain: ScriptedBuffer[] = [{ address: memory.put(sent), length: sent.length }];
  let written = 0;
  for (let pieces = random.below(5); pieces > 0; pieces--) {
    const length = random.pick(wild ? lengths : lengths.slice(1, 10));
    // They lie in each other.
    const address = wild && random.chance(0.1) ? random.pick(addresses) : guestBase + (memoryBytes >> 1);
    const writable =
      type === 0 || type === 8 || (wild ? random.chance(0.3) : chain.at(-1)?.writable === true);
    if (!writable) written += length;
    chain.push({ address, length, writable });
  }
  if (type === 1) names.push([sector, Math.ceil(written / 512)]);
  if (random.chance(0.1)) return { chain, names, status: undefined };
  const status = memory.put(Uint8Array.of(0xee));
  return { chain: [...chain, { address: status, length: 1, writable: true }], names, status };
}

/** Sectors that may be others now. */
function mayHaveChanged(driver: Driver, attacks: readonly Attack[]): Set<number> {
  const changed = new Set<number>();
  for (const { names, status } of attacks) {
    const answer = status === undefined ? undefined : driver.ring.memory.read(status, 1)[0];
    if (answer === blk.VIRTIO_BLK_S_IOERR || answer === blk.VIRTIO_BLK_S_UNSUPP) continue;
    for (const [first, count] of names)
      for (let n = Number(first); n < Math.min(sectors, Number(first) + count); n++) changed.add(n);
  }
  return changed;
}

const filled = (): Buffer =>
  Buffer.concat(Array.from({ length: sectors }, (_, n) => Buffer.alloc(512, (n % 250) + 1)));

afterAll(() => rmSync(directory, { recursive: true }));

describe('a disk under drivers that want to do it harm', () => {
  let device: BlkDevice;
  beforeAll(async () => {
    writeFileSync(path, filled());
    device = await BlkDevice.start(socket, path);
  });
  afterAll(() => device[Symbol.asyncDispose]());

  it('changes only what they may change, stays as large as it is, and serves the next one', async () => {
    const random = new Random(Number(process.env['VIO_FUZZ_SEED'] ?? 1));
    let broken = 0;
    for (let round = 0; round < 40; round++) {
      using driver = await Driver.connect();
      const wild = random.chance(0.4) ? 0.2 : 0;
      const attacks: Attack[] = [];
      for (let free = size; attacks.length < 16;) {
        const attack = anyAttack(random, driver, random.chance(wild));
        free -= attack.chain.length;
        if (free < 0) break;
        attacks.push(attack);
      }
      const before = readFileSync(path);
      driver.ring.expose(...attacks.map(({ chain }) => chain));
      if (!(await driver.settle(attacks.length))) broken++;
      const after = readFileSync(path);
      expect(after.length).toBe(before.length);
      const named = mayHaveChanged(driver, attacks);
      const differs = (n: number): boolean =>
        before.compare(after, n * 512, (n + 1) * 512, n * 512, (n + 1) * 512) !== 0;
      const wrong = Array.from({ length: sectors }, (_, n) => n).filter((n) => differs(n) && !named.has(n));
      expect(wrong).toEqual([]);
      using next = await Driver.connect();
      expect(await read(next, 100)).toBeDefined();
    }
    expect(broken).toBeGreaterThan(5);
    expect(broken).toBeLessThan(40);
  });

  it.each<[string, (driver: Driver) => void]>([
    [
      'a chain that is a loop',
      ({ ring }) => {
        ring.setDescriptor(0, guestBase + 8192, 16, 1 | (1 << 16));
        ring.setDescriptor(1, guestBase + 8192, 16, 1 | (0 << 16));
        ring.exposeHead(0);
        ring.setAvailIndex(1);
      },
    ],
    [
      'a head beyond the ring',
      ({ ring }) => {
        ring.exposeHead(size);
        ring.setAvailIndex(1);
      },
    ],
    ['more chains than there can be', ({ ring }) => ring.setAvailIndex(size + 1)],
    ['an address that is nowhere', ({ ring }) => void ring.expose([{ address: 8, length: 16 }])],
    [
      'a length beyond its memory',
      ({ ring }) => void ring.expose([{ address: guestBase, length: memoryBytes + 1 }]),
    ],
    [
      'room in front of what it sends',
      ({ ring }) =>
        void ring.expose([
          { address: guestBase + 8192, length: 1, writable: true },
          { address: guestBase + 8192, length: 16 },
        ]),
    ],
    [
      'a table in a table',
      ({ ring }) => void ring.expose([{ table: [{ address: guestBase + 8192, length: 16, flags: 4 }] }]),
    ],
  ])('breaks the ring of a driver with %s, and of no other', async (_, harm) => {
    using driver = await Driver.connect();
    using other = await Driver.connect();
    harm(driver);
    expect(await driver.settle(1)).toBe(false);
    expect(await read(other, 100)).toBeDefined();
  });

  it('goes on when a driver takes its memory away in the middle', async () => {
    using driver = await Driver.connect();
    using other = await Driver.connect();
    for (let i = 0; i < 16; i++)
      driver.ring.expose([
        { address: driver.ring.memory.put(header(blk.VIRTIO_BLK_T_IN, 0n)), length: 16 },
        { address: guestBase + (memoryBytes >> 1), length: 1 << 20, writable: true },
        { address: driver.ring.memory.put(Uint8Array.of(0xee)), length: 1, writable: true },
      ]);
    driver.kick.signal();
    driver[Symbol.dispose]();
    expect(await read(other, 100)).toBeDefined();
  });
});

describe('a large disk', () => {
  const large = join(directory, 'large.img');
  const largeSocket = join(directory, 'large.sock');
  let device: BlkDevice;
  beforeAll(async () => {
    writeFileSync(large, '');
    truncateSync(large, 64 << 20);
    device = await BlkDevice.start(largeSocket, large);
  });
  afterAll(() => device[Symbol.asyncDispose]());

  /** A read of so many MiB, all into the same one. @returns where it is answered */
  function exposeRead({ ring }: Driver, mebibytes: number): number {
    const { memory } = ring;
    const status = memory.put(Uint8Array.of(0xee));
    const room = { address: guestBase + (memoryBytes >> 1), length: 1 << 20, writable: true };
    ring.expose([
      { address: memory.put(header(blk.VIRTIO_BLK_T_IN, 0n)), length: 16 },
      ...Array.from({ length: mebibytes }, () => room),
      { address: status, length: 1, writable: true },
    ]);
    return status;
  }

  it('is read up to as much as its configuration space says at once, and IOERR is answered to more', async () => {
    using driver = await Driver.connect(largeSocket);
    const most = Math.floor(blk.maxRequestBytes / 2 ** 20);
    const places = [exposeRead(driver, most), exposeRead(driver, most + 1)];
    expect(await driver.settle(2)).toBe(true);
    const answers = places.map((at) => driver.ring.memory.read(at, 1)[0]);
    expect(answers).toEqual([blk.VIRTIO_BLK_S_OK, blk.VIRTIO_BLK_S_IOERR]);
  });

  it('serves others while a driver keeps it busy', async () => {
    using greedy = await Driver.connect(largeSocket);
    using modest = await Driver.connect(largeSocket);
    // One ring of 64 descriptors has room for few of them: each in a table.
    const { memory } = greedy.ring;
    const room = { address: guestBase + (memoryBytes >> 1), length: 1 << 20, writable: true };
    for (let i = 0; i < 30; i++) {
      const head = { address: memory.put(header(blk.VIRTIO_BLK_T_IN, 0n)), length: 16 };
      const status = { address: memory.put(Uint8Array.of(0xee)), length: 1, writable: true };
      greedy.ring.expose([{ table: [head, ...Array.from({ length: 15 }, () => room), status] }]);
    }
    greedy.kick.signal();
    expect(await read(modest, 100)).toBe(0);
    const done = greedy.ring.used().length;
    expect(done).toBeLessThan(30);
    expect(await greedy.settle(30 - done)).toBe(true);
  });
});
