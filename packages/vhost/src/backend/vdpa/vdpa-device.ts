import type { VioError, WaitOptions } from '@vio/native';
import type { MemoryMap } from '@vio/rings';
import type { ConfigStore } from '../type/device-config.ts';

/** A piece of the frontend's memory, which is to be mapped for the device. */
export interface VdpaRegion {
  /** By which descriptors know its first byte: guest-physical, a multiple of 4096. What the device is to use. */
  readonly guestAddress: bigint;
  /** Bytes, a multiple of 4096. */
  readonly size: bigint;
  /** Address of its first byte in this process, a multiple of 4096. It stays mapped there until `stop` has resolved. */
  readonly userAddress: bigint;
}

/** A ring that the device is to work on. */
export interface VdpaRing {
  /** Its number: even ones receive, odd ones transmit, as the driver sees it. */
  readonly index: number;
  /** Descriptors. */
  readonly size: number;
  /** Where the device begins: split, the next available index; packed, both positions with their wrap bits. */
  readonly base: number;
  /** Guest address of the descriptor table, or of the packed ring. */
  readonly descriptors: bigint;
  /** Guest address of the driver area. */
  readonly driver: bigint;
  /** Guest address of the device area. */
  readonly device: bigint;
  /** Packets are to go through it; as it is now. */
  readonly enabled: boolean;
  /** Eventfd by which its driver kicks; undefined: none that a kernel would take, `onKick` tells of it. As it is now; stays the library's. */
  readonly kickFd: number | undefined;
  /** Eventfd by which its driver is called; undefined: none that a kernel would take, `call` does it. As it is now; stays the library's. */
  readonly callFd: number | undefined;
  /** Calls the listener whenever the driver has kicked. @returns ends it */
  onKick(listener: () => void): () => void;
  /** Calls the driver. */
  call(): void;
  /** The driver's own ring lies there, and not one of the library's that passes its buffers on. */
  readonly direct: boolean;
}

/** Whom a vDPA device works for: one frontend, its memory and its rings, from `configure` to `stop`. */
export interface VdpaFrontend {
  /** Number of the `VhostDevice`. */
  readonly vid: number;
  /** What the device is to agree on: what the frontend took, without what only vhost-user knows. */
  readonly features: bigint;
  /** What descriptors may point to. */
  readonly regions: readonly VdpaRegion[];
  /** The same for a device that is a program in this process. */
  readonly memory: MemoryMap;
  /** By ascending number. */
  readonly rings: readonly VdpaRing[];
  /** Within `stop`: where a ring has got to. Without it, a split ring is where its used index says, and a packed one where it can be found out. */
  setVringBase(queue: number, base: number): void;
}

/** Where drivers kick a queue by a store (BACKEND_VRING_HOST_NOTIFIER_MSG). */
export interface VdpaNotifyArea {
  /** The file that is to be mapped for that; stays the device's. */
  readonly fd: number;
  /** Where the area begins in the file, in bytes: a multiple of 4096. */
  readonly offset: number;
  /** Bytes, a multiple of 4096. */
  readonly size: number;
}

/** Counters that a device keeps of its queues. */
export interface VdpaStats {
  /** In the order of the values. */
  readonly names: readonly string[];
  /** Their values for a queue. */
  get(queue: number): Promise<readonly number[]>;
  /** Lets those of a queue begin at 0 again. */
  reset(queue: number): Promise<void>;
}

/** What a device hands out of VFIO. */
export interface VdpaVfio {
  /** Descriptor of its group; stays the device's. */
  readonly groupFd: number;
  /** Descriptor of the device itself; stays the device's. */
  readonly deviceFd: number;
}

/**
 * Hardware that works on the rings of vhost-user frontends by itself, in the shape of DPDK's `rte_vdpa_dev_ops`: packets do not
 * pass this process. It serves one frontend at a time. Whoever made it attaches it (`VhostDriver.attachVdpaDevice`) and closes
 * it after it was detached.
 *
 * Calls come one at a time, each after the one before has settled. A call that fails ends the connection of the frontend.
 */
export interface VdpaDevice {
  /** For people, as in errors. */
  readonly name: string;
  /** Virtio device type; 1 is a network card (`get_dev_type`). */
  readonly deviceType: number;
  /** Queue pairs it can serve (`get_queue_num`). */
  readonly queueNum: number;
  /** Device features (`get_features`). */
  readonly features: bigint;
  /** Features of the conversation that make sense with it (`get_protocol_features`); usually `vdpaProtocolFeatures`. */
  readonly protocolFeatures: bigint;
  /** Descriptors that a ring may have; undefined: as many as virtio allows. */
  readonly maxRingSize?: number | undefined;
  /** Rings may begin anywhere. False: only at their start; the library passes buffers on by rings of its own where one is elsewhere. */
  readonly resumes: boolean;
  /** Why it ended by itself: it was pulled, failed, or is another's now. */
  readonly down: VioError | undefined;
  /** Its configuration space, as it is now (`get_config`, `set_config`); undefined: the library's own, as without a device. */
  readonly config: (ConfigStore & VdpaConfigEvents) | undefined;
  /** Undefined: it keeps no counters (`get_stats_names`, `get_stats`, `reset_stats`). */
  readonly stats: VdpaStats | undefined;
  /** Undefined: it is not reached by VFIO (`get_vfio_group_fd`, `get_vfio_device_fd`). */
  readonly vfio: VdpaVfio | undefined;

  /** Begins to work (`dev_conf`). When it fails, nothing is left of it. */
  configure(frontend: VdpaFrontend, wait: WaitOptions): Promise<void>;
  /** Lets go of rings and memory (`dev_close`). Also after `down`; a device that does not obey is cut off from memory. */
  stop(frontend: VdpaFrontend, wait: WaitOptions): Promise<void>;
  /** A ring was enabled or disabled, or has another kick or call: before it changes, and after (`set_vring_state`). */
  setVringState(frontend: VdpaFrontend, queue: number, enabled: boolean): Promise<void>;
  /** The frontend has left (`dev_cleanup`). */
  cleanup?(vid: number): void;
  /**
   * The device marks by itself what it writes while a guest is moved: tells it whether it is to (`set_features`, with or without
   * VHOST_F_LOG_ALL). Undefined: it cannot, and the library passes buffers on by rings of its own meanwhile, and marks.
   */
  setFeatures?(frontend: VdpaFrontend, features: bigint): Promise<void>;
  /** The guest has arrived: the device tells the network (`migration_done`). Undefined: it cannot, and SEND_RARP is not offered. */
  migrationDone?(frontend: VdpaFrontend, mac: string): Promise<void>;
  /** Where drivers kick a queue by themselves (`get_notify_area`); undefined: nowhere. */
  notifyArea(queue: number): VdpaNotifyArea | undefined;
  /** Calls the handler once if the device ends by itself, or soon if it has. @returns takes it back */
  onDown(handler: (reason: VioError) => void): () => void;
}

/** How a device tells that its configuration space has changed. */
export interface VdpaConfigEvents {
  /** @returns takes the handler back */
  onChange(handler: () => void): () => void;
}
