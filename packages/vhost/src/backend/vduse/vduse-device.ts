import { EventFd, type VioError, closeFd } from '@vio/native';
import { callApplication } from '@vio/native/internal';
import { STATUS_DRIVER_OK, STATUS_FEATURES_OK, STATUS_RUNNING, networkCard } from '@vio/net/internal';
import { VIRTIO_F_RING_PACKED, freshPackedBase, ringFeatures } from '@vio/rings';
import { DriverMemory } from '../vring/driver-memory.ts';
import type { ServedDevice } from '../device/served-device.ts';
import { vhostError } from '../errors/vhost-error.ts';
import type { VduseConfig } from './vduse-ioctls.ts';
import type { VduseHandlers, VduseNode } from './vduse-node.ts';
import type { VduseState } from './vduse-state.ts';

/** What it needs of a node. */
type Node = Pick<VduseNode, 'call' | 'features' | 'found' | 'listen' | 'memory' | 'queue' | 'setKick'>;
/** What it needs of what is kept. */
type State = Pick<VduseState, 'clear' | 'commands' | 'journal' | 'keep'>;

/** Milliseconds until a driver is called again that took no call. */
const callAgain = 2;

/** Who hears of a device. */
export interface VduseListener {
  /** Something could not be done, and the kernel was told. */
  refused(error: unknown): void;
  /** The device is none any more. */
  gone(reason: VioError): void;
}

/** Sets up a device as the kernel's driver asks for it by VDUSE, and stops it. */
export class VduseDevice implements VduseHandlers {
  readonly #node: Node;
  readonly #served: ServedDevice;
  readonly #state: State;
  readonly #listener: VduseListener;
  /** Of the device at most. */
  readonly #queues: number;
  /** Features it may take. */
  readonly #offered: bigint;
  /**
   * Its chains may be in flight for long. Those of a network card are not: where a split ring of one goes on its used index says,
   * and without a journal its bursts are for kernels.
   */
  readonly #raw: boolean;
  /** Queues whose driver is to be called as soon as it takes calls. */
  readonly #owed = new Set<number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    node: Node,
    served: ServedDevice,
    state: State,
    offered: Pick<VduseConfig, 'deviceId' | 'features' | 'queues'>,
    listener: VduseListener,
  ) {
    this.#node = node;
    this.#served = served;
    this.#state = state;
    this.#queues = offered.queues;
    this.#offered = offered.features;
    this.#raw = offered.deviceId !== networkCard;
    this.#listener = listener;
    served.host = {
      memoryMissed: () => this.#attempt(() => this.#lookAgain()),
      commandDone: () =>
        this.#attempt(() => {
          state.keep(served.settings.commands());
          return true;
        }),
    };
  }

  /**
   * Begins to answer. A driver that is at work already, because a predecessor of this process was killed, does not say so again:
   * it has taken features and set up its queues.
   */
  begin(): void {
    const node = this.#node;
    node.listen(this);
    try {
      if (!node.found) this.#state.clear();
      else if (node.features !== 0n && node.queue(0)?.ready === true) this.#start(STATUS_RUNNING);
    } catch (error) {
      this.#listener.refused(error);
    }
  }

  setStatus(status: number): void {
    const served = this.#served;
    if (status === 0) return this.#reset();
    const starts = (status & STATUS_DRIVER_OK) !== 0 && (served.status & STATUS_DRIVER_OK) === 0;
    if (!starts && (status & STATUS_FEATURES_OK) !== 0) this.#checkFeatures();
    if (!starts) {
      served.status = status;
      return;
    }
    this.#state.clear();
    this.#start(status);
  }

  queueState(index: number): { base: number; packed: boolean } {
    const served = this.#served;
    const vring = served.vrings[index];
    const packed = (served.features & VIRTIO_F_RING_PACKED) !== 0n;
    return { base: vring?.queue?.base() ?? vring?.base ?? (packed ? freshPackedBase : 0), packed };
  }

  memoryChanged(): void {
    if ((this.#served.status & STATUS_DRIVER_OK) === 0) return;
    this.#map();
    this.#served.update();
  }

  failed(error: unknown): void {
    this.#listener.refused(error);
  }

  gone(reason: VioError): void {
    this.#listener.gone(reason);
  }

  /** It is served no more. Its driver is called for what it gets back now, and for nothing after that. */
  end(): void {
    callApplication(() => this.#served.close());
    this.#forgetCalls();
  }

  /** For what is in the middle of something: what throws is told, and is a no. */
  #attempt(action: () => boolean): boolean {
    try {
      return action();
    } catch (error) {
      this.#listener.refused(error);
      return false;
    }
  }

  /** What comes back meanwhile is nothing that its driver would be called for. */
  #reset(): void {
    this.#served.reset();
    this.#forgetCalls();
    this.#state.clear();
  }

  #forgetCalls(): void {
    this.#owed.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Rings run as the driver has set them up; notes of a predecessor say where, and what it had asked for. */
  #start(status: number): void {
    const served = this.#served;
    this.#checkFeatures();
    served.status = status;
    const { features } = this.#node;
    served.setFeatures(features);
    const { format } = ringFeatures(features);
    if (format === 'packed' || this.#raw) served.setup.setInflight(this.#state.journal(format));
    this.#map();
    for (let index = 0; index < this.#queues; index++) this.#setUp(index);
    served.recall(this.#state.commands(features));
    served.update();
  }

  #checkFeatures(): void {
    const beyond = this.#node.features & ~this.#offered;
    if (beyond !== 0n)
      throw vhostError(
        'FEATURES',
        `the driver took features 0x${beyond.toString(16)}, which are not offered`,
      );
  }

  /** The kernel adds its bounce buffer with the first packet, and does not say so. @returns false: nothing is new */
  #lookAgain(): boolean {
    const known = this.#served.memory?.table() ?? [];
    const { regions, fds } = this.#node.memory();
    const same =
      regions.length === known.length &&
      regions.every(({ guestAddress, size }, i) => {
        return guestAddress === known[i].guestAddress && size === known[i].size;
      });
    if (same) {
      for (const fd of fds) closeFd(fd);
      return false;
    }
    this.#served.setMemory(DriverMemory.map(regions, fds, undefined, { unsized: true }));
    this.#served.update();
    return true;
  }

  #map(): void {
    const { regions, fds } = this.#node.memory();
    this.#served.setMemory(DriverMemory.map(regions, fds, undefined, { unsized: true }));
  }

  #setUp(index: number): void {
    const node = this.#node;
    const info = node.queue(index);
    if (info?.ready !== true) return;
    const packed = (this.#served.features & VIRTIO_F_RING_PACKED) !== 0n;
    const vring = this.#served.setup.vring(index);
    const { size, descriptors, driver, device } = info;
    vring.size = size;
    vring.sayBase(packed ? info.packedBase : info.splitBase);
    this.#served.setup.place(vring, { index, flags: 0, descriptors, driver, device, log: 0 });
    const kick = EventFd.create();
    vring.kicks.replace(kick);
    node.setKick(index, kick.fd);
    vring.calls.replace({ signal: () => this.#call(index), close: () => {} });
    vring.started = true;
    vring.asked = true;
  }

  /** A kernel takes no calls until it has read the answer to DRIVER_OK. */
  #call(index: number): void {
    if (this.#node.call(index)) return;
    this.#owed.add(index);
    this.#timer ??= setTimeout(() => this.#callOwed(), callAgain);
  }

  #callOwed(): void {
    this.#timer = undefined;
    const owed = Array.from(this.#owed);
    this.#owed.clear();
    for (const index of owed) this.#call(index);
  }
}
