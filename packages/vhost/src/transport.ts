import type { VioError, WaitOptions } from '@vio/native';
import type { DeviceConfig, DeviceControlQueue, InflightNotes, MtuSetting, Notifier } from '@vio/net';

/**
 * A piece of memory that the backend may access. All addresses are below 2^53. Where the caller uses region
 * offsets as addresses, both of them start at 0.
 */
export interface SharedRegion {
  /** What descriptors in the rings contain. */
  readonly guestAddress: number;
  /** What `setVringAddr` is given. */
  readonly userAddress: number;
  /** Bytes, at least 1. */
  readonly size: number;
  /** Where the region starts in the file, in bytes. */
  readonly mmapOffset: number;
  /** The file that holds it. Stays the caller's: it is sent or used, never closed. */
  readonly fd: number;
}

/** Where the parts of a virtqueue are, as user addresses (packed: ring, driver event, device event). */
export interface VringUserAddresses {
  /** The descriptor table, or the packed ring. */
  readonly descriptors: number;
  /** The driver area: the avail ring, or the driver's event suppression. */
  readonly driver: number;
  /** The device area: the used ring, or the device's event suppression. */
  readonly device: number;
}

/** Device status bits (virtio 1.4, section 2.1). */
export interface VhostStatus {
  /** Reads it. */
  get(options?: WaitOptions): Promise<number>;
  /** @param status 0 to 255; 0 resets */
  set(status: number, options?: WaitOptions): Promise<void>;
}

/** A reset where there is no status (RESET_DEVICE). */
export interface VhostReset {
  /** Stops all rings; the session stays. */
  device(options?: WaitOptions): Promise<void>;
}

/** More memory for a backend that runs (CONFIGURE_MEM_SLOTS). */
export interface VhostMemorySlots {
  /** Adds a region to the memory the backend may access. */
  add(region: SharedRegion, options?: WaitOptions): Promise<void>;
}

/**
 * The control plane of one vhost backend: what a virtio-user device drives, in the same way over a Unix socket
 * (vhost-user), /dev/vhost-net (vhost-kernel) and /dev/vhost-vdpa-N (vhost-vdpa). It carries requests; the order
 * of requests is the caller's business. A virtqueue is named by its index: 2n receives, 2n+1 transmits.
 *
 * Every method takes a timeout (milliseconds; default 5000) and an AbortSignal. Requests are served one at a time,
 * in the order of the calls; what is called for while another is under way may be on its way already. A request that fails while its answer is outstanding (VIO_TIMEOUT, VIO_ABORTED, a
 * malformed answer) leaves the two sides out of step: the transport goes down, and every pending call rejects with
 * the same reason. A request the backend merely refuses rejects (VIO_VHOST_REFUSED) and the transport stays up.
 */
export interface VhostTransport {
  /** Why the transport ended by itself; undefined while it is up, and after a plain `close()`. */
  readonly down: VioError | undefined;
  /**
   * What was negotiated for the conversation itself, a mask of VHOST_USER_PROTOCOL_F_* bits. 0 before the first
   * `getFeatures`, and always for transports that have no such thing.
   */
  readonly protocolFeatures: bigint;
  /** Regions `setMemTable` takes at most. */
  readonly maxRegions: number;
  /** Descriptors that a ring can have at most; undefined: it does not say. */
  readonly maxRingSize?: number | undefined;

  /**
   * Device features the backend offers, a mask of VIRTIO_F_* and VIRTIO_NET_F_* bits. Over vhost-user the first
   * call also negotiates the protocol features if bit 30 (VHOST_USER_F_PROTOCOL_FEATURES) is offered; the bit itself
   * is no device feature and not part of the result.
   */
  getFeatures(options?: WaitOptions): Promise<bigint>;
  /** What of them is used. Over vhost-user bit 30 is added here if the backend offered it. */
  setFeatures(features: bigint, options?: WaitOptions): Promise<void>;
  /** Starts the session: this side is the frontend. */
  setOwner(options?: WaitOptions): Promise<void>;
  /** Queue pairs the backend can serve, 1 to 128; 1 where it cannot say. */
  queueNum(options?: WaitOptions): Promise<number>;
  /** Replaces the memory the backend may access. @param regions 1 to `maxRegions` */
  setMemTable(regions: readonly SharedRegion[], options?: WaitOptions): Promise<void>;
  /** Descriptors of the ring. */
  setVringNum(index: number, size: number, options?: WaitOptions): Promise<void>;
  /** Where the backend continues: what `getVringBase` gave or `DriverQueue.base()` gives. */
  setVringBase(index: number, base: number, options?: WaitOptions): Promise<void>;
  /** Where the three parts of the ring are. */
  setVringAddr(index: number, addresses: VringUserAddresses, options?: WaitOptions): Promise<void>;
  /** The eventfd that tells the backend of new buffers; undefined: it polls. Starts the ring. Stays the caller's. */
  setVringKick(index: number, fd: number | undefined, options?: WaitOptions): Promise<void>;
  /** Another way to kick the backend, cheaper than the eventfd and good for as long as the transport is up; undefined: none. */
  doorbell(index: number): Notifier | undefined;
  /** The eventfd that tells the driver of used buffers; undefined: the driver polls. Stays the caller's. */
  setVringCall(index: number, fd: number | undefined, options?: WaitOptions): Promise<void>;
  /** The eventfd that tells of a broken ring; undefined: none does. Stays the caller's. */
  setVringErr(index: number, fd: number | undefined, options?: WaitOptions): Promise<void>;
  /**
   * Lets packets through a started ring, or not. Over vhost-user without bit 30 rings are enabled from the start:
   * enabling does nothing then, disabling is refused (VIO_VHOST_UNSUPPORTED).
   */
  setVringEnable(index: number, enabled: boolean, options?: WaitOptions): Promise<void>;
  /** Stops the ring. @returns where to continue it (see `setVringBase`) */
  getVringBase(index: number, options?: WaitOptions): Promise<number>;

  // What a backend can or cannot do. What it can is an object, and known once `getFeatures` has resolved.

  /** The device status; undefined: it has none. */
  readonly status: VhostStatus | undefined;
  /** Back to the initial state, without a status to do it by; undefined: it cannot. */
  readonly reset: VhostReset | undefined;
  /** What the device says of itself, and when that changes; undefined: it says nothing. */
  readonly config: DeviceConfig | undefined;
  /** Its control queue; undefined: it has none. */
  readonly controlQueue: DeviceControlQueue | undefined;
  /** More memory while it runs; undefined: it takes none. */
  readonly memorySlots: VhostMemorySlots | undefined;
  /** Memory to note down unfinished work in; undefined: it does not. */
  readonly inflight: InflightNotes | undefined;
  /** The MTU, where the feature MTU is in use; undefined: it is not told. */
  readonly mtu: MtuSetting | undefined;
  /** Features to take from the backend wherever it offers them, whatever a port wishes. */
  readonly wantedFeatures: bigint;

  /**
   * Calls the handler once if the transport ends other than by `close()`: the peer left, did not answer in time or
   * broke the protocol. A handler given after that is called at once, asynchronously.
   * @returns takes the handler back
   */
  onDown(handler: (reason: VioError) => void): () => void;
  /** Ends the transport; pending calls reject with VIO_VHOST_CLOSED. Idempotent, never throws. */
  close(): void;
}
