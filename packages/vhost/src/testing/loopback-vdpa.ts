import type { VioError } from '@vio/native';
import { DownEvent, VIRTIO_NET_F_MAC, VIRTIO_NET_F_MQ, VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { networkCard } from '@vio/net/internal';
import {
  ChainBurst,
  ChainBytes,
  type DeviceQueue,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
  createDeviceQueue,
  freshPackedBase,
  ringFeatures,
} from '@vio/rings';
import type { ConfigWrite } from '../backend/type/device-config.ts';
import { vdpaProtocolFeatures } from '../backend/offer/vdpa-offer.ts';
import type {
  VdpaDevice,
  VdpaFrontend,
  VdpaNotifyArea,
  VdpaRing,
  VdpaStats,
} from '../backend/vdpa/vdpa-device.ts';

/** What a loopback is like. */
export interface LoopbackVdpaOptions {
  /** Device features it offers. */
  readonly features?: bigint;
  /** Default: all that a device can have. */
  readonly protocolFeatures?: bigint;
  /** Queue pairs. Default 1. */
  readonly queueNum?: number;
  /** Its rings may begin anywhere. Default false. */
  readonly resumes?: boolean;
  /** Descriptors that a ring may have. Default: as many as there are. */
  readonly maxRingSize?: number;
  /** Where a queue is kicked by a store. Default: nowhere. */
  readonly notifyArea?: (queue: number) => VdpaNotifyArea | undefined;
  /** It uses buffers in whatever order. Default false: as they came. */
  readonly disorderly?: boolean;
}

const offered =
  VIRTIO_F_VERSION_1 |
  VIRTIO_F_RING_PACKED |
  VIRTIO_F_INDIRECT_DESC |
  VIRTIO_NET_F_MAC |
  VIRTIO_NET_F_MRG_RXBUF |
  VIRTIO_NET_F_MQ;

/** One of its queue pairs, while it works. */
interface Pair {
  readonly rx: Queue;
  readonly tx: Queue;
}

interface Queue {
  readonly ring: VdpaRing;
  readonly queue: DeviceQueue;
}

/**
 * A vDPA device in this process, for tests: it sends what a driver transmits back to it. It keeps to virtio, works on the rings that it
 * is given only, and notes down what it is told.
 */
export class LoopbackVdpa implements VdpaDevice {
  readonly name = 'loopback';
  readonly deviceType = networkCard;
  readonly queueNum: number;
  readonly features: bigint;
  readonly protocolFeatures: bigint;
  readonly resumes: boolean;
  readonly maxRingSize: number | undefined;
  readonly vfio = undefined;
  /** What it was told, in words. */
  readonly told: string[] = [];
  /** Frames that came back, by pair. */
  readonly looped: number[] = [];
  /** What `configure` does first: throws, waits. */
  onConfigure: () => Promise<void> | void = () => {};
  readonly stats: VdpaStats = {
    names: ['looped'],
    get: (queue) => Promise.resolve([this.looped[queue >>> 1] ?? 0]),
    reset: (queue) => Promise.resolve(void (this.looped[queue >>> 1] = 0)),
  };
  /** Its configuration space. */
  readonly space = Uint8Array.of(2, 0, 0, 0, 0, 9, 1, 0, 1, 0);
  readonly config = {
    space: () => this.space,
    write: ({ offset, data }: ConfigWrite) => {
      if (offset + data.length > 6) return false;
      this.space.set(data, offset);
      return true;
    },
    onChange: (handler: () => void) => {
      this.#onConfig.add(handler);
      return () => this.#onConfig.delete(handler);
    },
  };
  readonly #options: LoopbackVdpaOptions;
  readonly #down = new DownEvent();
  readonly #onConfig = new Set<() => void>();
  #pairs: Pair[] = [];
  #work: VdpaFrontend | undefined;
  #stops: (() => void)[] = [];

  constructor(options: LoopbackVdpaOptions = {}) {
    this.#options = options;
    this.features = options.features ?? offered;
    this.protocolFeatures = options.protocolFeatures ?? vdpaProtocolFeatures;
    this.queueNum = options.queueNum ?? 1;
    this.resumes = options.resumes ?? false;
    this.maxRingSize = options.maxRingSize;
    this.space[8] = this.queueNum;
  }

  get down(): VioError | undefined {
    return this.#down.reason;
  }

  /** Whom it works for. */
  get frontend(): VdpaFrontend | undefined {
    return this.#work;
  }

  /** Begins to send back. @throws Error for rings that begin elsewhere, unless it resumes; what `onConfigure` throws */
  async configure(frontend: VdpaFrontend): Promise<void> {
    const format = ringFeatures(frontend.features);
    const direct = frontend.rings.every((ring) => ring.direct) ? 'direct' : 'relayed';
    this.told.push(`configure ${frontend.vid} ${direct} ${format.format}`);
    await this.onConfigure();
    const fresh = format.format === 'packed' ? freshPackedBase : 0;
    if (!this.resumes && frontend.rings.some(({ base }) => base !== fresh))
      throw new Error('it cannot begin there');
    const queues = frontend.rings.map((ring) => this.#open(frontend, ring));
    this.#pairs = [];
    for (let i = 0; i + 1 < queues.length; i += 2) this.#pairs.push({ rx: queues[i], tx: queues[i + 1] });
    this.#work = frontend;
    const run = (): void => this.#run();
    const timer = setImmediate(run);
    this.#stops = [...frontend.rings.map((ring) => ring.onKick(run)), () => clearImmediate(timer)];
  }

  stop(frontend: VdpaFrontend): Promise<void> {
    this.told.push(`stop ${frontend.vid}`);
    for (const stop of this.#stops) stop();
    if (this.resumes)
      for (const { rx, tx } of this.#pairs)
        for (const { ring, queue } of [rx, tx]) frontend.setVringBase(ring.index, queue.base());
    this.#pairs = [];
    this.#work = undefined;
    return Promise.resolve();
  }

  setVringState(_: VdpaFrontend, queue: number, enabled: boolean): Promise<void> {
    this.told.push(`vring ${queue} ${enabled ? 'on' : 'off'}`);
    if (enabled) setImmediate(() => this.#run());
    return Promise.resolve();
  }

  cleanup(vid: number): void {
    this.told.push(`cleanup ${vid}`);
  }

  notifyArea(queue: number): VdpaNotifyArea | undefined {
    return this.#options.notifyArea?.(queue);
  }

  onDown(handler: (reason: VioError) => void): () => void {
    return this.#down.subscribe(handler);
  }

  /** It is pulled out. */
  pull(reason: VioError): void {
    this.#down.tell(reason);
  }

  /** Its configuration space is another one. */
  changeConfig(at: number, value: number): void {
    this.space[at] = value;
    for (const handler of this.#onConfig) handler();
  }

  #open({ features: agreed, memory }: VdpaFrontend, ring: VdpaRing): Queue {
    const features = ringFeatures(agreed);
    const place = (address: bigint) => {
      const found = memory.fromGuest(Number(address), 1);
      if (found === undefined) throw new Error('a ring is not in the memory');
      return found;
    };
    const addresses = {
      descriptors: place(ring.descriptors),
      driver: place(ring.driver),
      device: place(ring.device),
    };
    return {
      ring,
      queue: createDeviceQueue({ memory, addresses, size: ring.size, features, base: ring.base }),
    };
  }

  #run(): void {
    const work = this.#work;
    if (work === undefined) return;
    for (const [i, pair] of this.#pairs.entries()) this.#loop(work, i, pair);
  }

  #loop({ memory }: VdpaFrontend, index: number, { rx, tx }: Pair): void {
    const bytes = new ChainBytes(memory);
    const sent: ChainBurst[] = [];
    const received: ChainBurst[] = [];
    do {
      for (;;) {
        const from = new ChainBurst(1);
        const to = new ChainBurst(1);
        if (tx.queue.fetch(from, 1) === 0) break;
        if (rx.queue.fetch(to, 1) === 0) {
          tx.queue.unfetch(from, 1);
          break;
        }
        const frame = Buffer.concat(bytes.readable(from, 0, 0, from.readableBytes[0]));
        to.written[0] = 0;
        for (const part of bytes.writable(to, 0, 0, frame.length)) {
          part.set(frame.subarray(to.written[0], to.written[0] + part.length));
          to.written[0] += part.length;
        }
        // One buffer, in the header of a driver that takes several (num_buffers).
        const [head] = bytes.writable(to, 0, 10, 2);
        head?.set([1, 0]);
        sent.push(from);
        received.push(to);
        this.looped[index] = (this.looped[index] ?? 0) + 1;
      }
      if (this.#options.disorderly === true) sent.reverse();
      for (const chains of sent.splice(0)) tx.queue.complete(chains, 0, 1);
      for (const chains of received.splice(0)) rx.queue.complete(chains, 0, 1);
      for (const { ring, queue } of [rx, tx]) if (queue.callNeeded()) ring.call();
    } while (tx.queue.armKick() && rx.queue.armKick());
    rx.queue.armKick();
  }
}
