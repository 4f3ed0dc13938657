import { EventFd } from '@vio/native';
import {
  BufferPool,
  ChainBurst,
  type DeviceQueue,
  type DriverQueue,
  MemoryMap,
  type QueueFault,
  Region,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
  createDeviceQueue,
  driverQueueBytes,
  poolStride,
  ringFeatures,
} from '@vio/rings';
import type { FrameRules } from '../frames/frame-rules.ts';
import { headerSize, numBuffersOffset } from '../header.ts';
import { hasRxOffloads, hasTxOffloads, pathOffloads } from '../offload/offload-features.ts';
import { electPaths } from '../paths.ts';
import { PacketBurst } from '../packet-burst.ts';
import type { PortSwitches } from '../queue/port-switches.ts';
import { createQueuePair } from '../queue/queue-pair.ts';
import type { RxQueue } from '../queue/rx-queue.ts';
import type { TxQueue } from '../queue/tx-queue.ts';
import { readFrames } from '../testing/frames.ts';

export const modern = VIRTIO_F_VERSION_1;

/** The features of each kind of ring. */
export const rings = [
  { ring: 'split', features: modern },
  { ring: 'split in-order', features: modern | VIRTIO_F_IN_ORDER },
  { ring: 'packed', features: modern | VIRTIO_F_RING_PACKED },
  { ring: 'packed in-order', features: modern | VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER },
  { ring: 'split indirect', features: modern | VIRTIO_F_INDIRECT_DESC },
] as const;

export interface WireOptions {
  readonly features?: bigint;
  readonly size?: number;
  readonly buffers?: number;
  readonly dataRoom?: number;
  readonly headroom?: number;
  readonly rules?: FrameRules;
  /** Those of the port; default: as `rules` say. */
  readonly switches?: PortSwitches;
  /** 0xf01: the simple transmit path. Default 0. */
  readonly txqFlags?: number;
  /** False: no frame is looked at to be counted. Default true. */
  readonly groupCounters?: boolean;
  /** Prefers vectorised paths. Default false. */
  readonly vectorized?: boolean;
  /** Whether bursts are moved by kernels. Default: as those of a port are. */
  readonly native?: boolean;
  readonly freeThreshold?: number;
  /** Makes the memory of it all; default: private memory. */
  readonly memory?: (bytes: number) => ArrayBuffer;
  /** Bytes of that memory in front of the region, and as many behind it; default 0. */
  readonly lead?: number;
}

/** What the device reads of a packet. */
export interface Taken {
  readonly header: Uint8Array;
  readonly frame: Uint8Array;
  /** Descriptors the device saw. */
  readonly segments: number;
}

/** A queue pair over private memory with a device at its other end that does what a test says. */
export class Wire {
  readonly features: bigint;
  readonly region: Region;
  readonly pool: BufferPool;
  /** As they were elected. */
  readonly paths: ReturnType<typeof electPaths>;
  readonly rx: RxQueue;
  readonly tx: TxQueue;
  /** The device's ends of the two queues. */
  readonly receiveq: DeviceQueue;
  readonly transmitq: DeviceQueue;
  readonly rxCall = EventFd.create();
  /** What the pair said about broken queues. */
  readonly broken: { direction: 'rx' | 'tx'; fault: QueueFault }[] = [];
  onBroken: (direction: 'rx' | 'tx', fault: QueueFault) => void = () => {};
  readonly #chains: ChainBurst;

  /** Several pairs over one memory and pool. */
  static pairs(count: number, options: WireOptions = {}): Wire[] {
    const { features = modern, size = 8, buffers = 64 * count, dataRoom = 256, headroom = 64 } = options;
    const ring = driverQueueBytes(ringFeatures(features), size);
    const pool = { offset: 2 * count * ring, count: buffers, dataRoom, headroom };
    const { memory = (bytes) => new ArrayBuffer(bytes), lead = 0 } = options;
    const bytes = pool.offset + buffers * poolStride(dataRoom, pool.headroom);
    const region = new Region(memory(2 * lead + bytes), lead, bytes);
    const shared = new BufferPool({ region, ...pool });
    return Array.from({ length: count }, (_, pair) => new Wire(options, shared, 2 * pair * ring));
  }

  /** Whether kernels move the bursts of wires that do not say. Undefined: as of a port. */
  static native: boolean | undefined;

  static one(options: WireOptions = {}): Wire {
    return Wire.pairs(1, options)[0];
  }

  /** @param offset of the two rings, in the region of the pool */
  private constructor(options: WireOptions, pool: BufferPool, offset: number) {
    const { features = modern, size = 8, rules, switches, vectorized = false, txqFlags = 0 } = options;
    this.features = features;
    this.region = pool.region;
    this.pool = pool;
    this.paths = electPaths({
      features,
      vectorized,
      txqFlags,
      groupCounters: options.groupCounters,
      offloads: pathOffloads(
        { rxChecksum: hasRxOffloads(features), txChecksum: hasTxOffloads(features) },
        rules,
      ),
    });
    const pair = createQueuePair({
      features,
      region: this.region,
      pool,
      size,
      rxOffset: offset,
      txOffset: offset + driverQueueBytes(ringFeatures(features), size),
      rxKick: { signal: () => {} },
      txKick: { signal: () => {} },
      paths: this.paths,
      native: options.native ?? Wire.native,
      freeThreshold: options.freeThreshold,
      rules,
      switches: switches === undefined ? undefined : { port: switches, pair: 0 },
      onBroken: (direction, fault) => {
        this.broken.push({ direction, fault });
        this.onBroken(direction, fault);
      },
    });
    this.rx = pair.rx;
    this.tx = pair.tx;
    this.receiveq = this.#device(pair.rx.queue);
    this.transmitq = this.#device(pair.tx.queue);
    this.#chains = new ChainBurst(size, 64 * size);
  }

  get headerBytes(): number {
    return headerSize(this.features);
  }

  /** A header of zeroes with num_buffers, where it has one. */
  header(numBuffers = 1): Uint8Array {
    const header = new Uint8Array(this.headerBytes);
    if (header.length > numBuffersOffset)
      new DataView(header.buffer).setUint16(numBuffersOffset, numBuffers, true);
    return header;
  }

  /** The device uses one receive buffer. @param written what it says it wrote, which may be a lie */
  use(bytes: Uint8Array, written = bytes.length): void {
    const chains = this.#chains;
    if (this.receiveq.fetch(chains, 1) !== 1) throw new Error('the driver has supplied no receive buffer');
    this.region.u8.set(bytes, chains.offset[0]);
    chains.written[0] = written;
    this.receiveq.complete(chains, 0, 1);
  }

  /** The device delivers a frame over as many buffers as it takes. */
  deliver(frame: Uint8Array): void {
    const room = this.pool.dataRoom + this.headerBytes;
    const buffers = Math.ceil((this.headerBytes + frame.length) / room);
    const bytes = Buffer.concat([this.header(buffers), frame]);
    for (let i = 0; i < buffers; i++) this.use(bytes.subarray(i * room, (i + 1) * room));
  }

  /** The device reads up to `max` packets and is done with them. */
  take(max = this.transmitq.size): Taken[] {
    const chains = this.#chains;
    const count = this.transmitq.fetch(chains, max);
    const taken = Array.from({ length: count }, (_, i) => this.#read(i));
    chains.written.fill(0, 0, count);
    this.transmitq.complete(chains, 0, count);
    return taken;
  }

  /** The device writes nonsense into its half of a ring: an index, or a descriptor, that no device can have written. */
  corrupt(queue: DriverQueue): void {
    const { u16 } = this.region;
    const { descriptors, device } = queue.addresses;
    if (queue.format === 'split') u16[device / 2 + 1] += 0x4000;
    else {
      // A used descriptor with an id the ring does not have.
      u16[descriptors / 2 + 6] = 0xfff0;
      u16[descriptors / 2 + 7] = 0x8080;
    }
  }

  #device(queue: DriverQueue): DeviceQueue {
    const { descriptors, driver, device } = queue.addresses;
    const at = (offset: number) => ({ window: 0, offset });
    const { region } = this;
    return createDeviceQueue({
      memory: new MemoryMap([{ region, guestAddress: 0, userAddress: 0, size: region.size }]),
      addresses: { descriptors: at(descriptors), driver: at(driver), device: at(device) },
      size: queue.size,
      features: ringFeatures(this.features),
      base: queue.base(),
    });
  }

  #read(i: number): Taken {
    const chains = this.#chains;
    const first = chains.firstSegment[i];
    const parts = Array.from({ length: chains.readable[i] }, (_, k) => {
      const offset = chains.offset[first + k];
      return this.region.u8.slice(offset, offset + chains.length[first + k]);
    });
    const bytes = Uint8Array.from(Buffer.concat(parts));
    return {
      header: bytes.subarray(0, this.headerBytes),
      frame: bytes.subarray(this.headerBytes),
      segments: parts.length,
    };
  }
}

/** A frame whose bytes tell which one it is. */
export function frameOf(bytes: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (seed * 37 + i * 11 + (i >>> 8)) & 0xff);
}

/** So many frames of 60 bytes, each another. */
export function framesOf(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => frameOf(60, i));
}

/** A wire whose receive queue is supplied. */
export function supplied(options?: WireOptions): Wire {
  const wire = Wire.one(options);
  wire.rx.fill();
  return wire;
}

/** Receives once and gives the buffers back. */
export function receive(wire: Wire, capacity = 32): Uint8Array[] {
  const burst = new PacketBurst(capacity);
  wire.rx.receive(burst);
  const frames = readFrames(burst);
  burst.release();
  return frames;
}

/** How many buffers are neither on the receive ring nor in the pool. */
export function missing({ pool, rx }: Wire): number {
  return pool.count - pool.free - rx.queue.outstanding;
}
