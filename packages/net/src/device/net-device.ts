import type { EventFd, VioError, WaitOptions } from '@vio/native';
import type { RingFormat, VringAddresses } from '@vio/rings';
import type { ControlChannel } from '../control/control-channel.ts';
import type { Notifier } from '../queue/queue-options.ts';
import type { ConfigSpace } from './config-space.ts';
import type { DeviceMemory, MemoryRequest } from './memory/device-memory.ts';

/**
 * A virtio network device as its driver sees it, however it is reached: what a transport implements, and `openPort` builds a
 * port on. A virtqueue has a number: 2n receives, 2n + 1 transmits, and the control queue follows all pairs of the device.
 *
 * `openPort` calls in this order: `features`, `config.read`, `maxPairs` (for several pairs), `accept`, `queueSize`,
 * `allocate`, `kick` for each queue, `start`; at the end `stop`, and `close` always. What a device cannot do at all is an
 * ability that is undefined. All methods that wait take a timeout in milliseconds and an AbortSignal.
 */
export interface NetDevice {
  /** What its transport decides of the features. */
  readonly traits: DeviceTraits;
  /** Why the device ended by itself; undefined while it is up, and after `close`. */
  readonly down: VioError | undefined;

  /** Begins to drive the device. @returns the features it offers, a mask of VIRTIO_F_* and VIRTIO_NET_F_* bits */
  features(wait: WaitOptions): Promise<bigint>;
  /**
   * Decides which of them are used. A device may be told only by `start`.
   * @throws VioError VIO_FEATURES_REFUSED when it does not stand by what it offered
   */
  accept(features: bigint, wait: WaitOptions): Promise<void>;
  /** Queue pairs it has, 1 at least. */
  maxPairs(wait: WaitOptions): Promise<number>;
  /**
   * Decides how many descriptors a ring has: as many as are wanted, or as the device has if it does not have those.
   * @throws VioError when no ring of the format can have as many
   */
  queueSize(request: QueueSizeRequest): number;
  /** Memory that the device reaches, for rings and packets. The port gives it back, after `stop`. */
  allocate(request: MemoryRequest): DeviceMemory;
  /**
   * How the driver tells the device of new buffers, if that is not the eventfd which `start` brings.
   * @param nextAvailable where the queue's next buffer goes, for devices that are told with every notification
   */
  kick(queue: number, nextAvailable: () => number): Notifier | undefined;
  /** Hands over memory and queues, and has the device run. A failure leaves it stopped. */
  start(setup: DeviceSetup, wait: WaitOptions): Promise<void>;
  /** Takes them back: when this resolves, the device does not touch memory any more. Never rejects. */
  stop(wait: WaitOptions): Promise<void>;
  /**
   * Calls the handler once if the device ends other than by `close`; soon, if it has ended already.
   * @returns takes the handler back
   */
  onDown(handler: (reason: VioError) => void): () => void;
  /** Lets go of the device. Idempotent, never throws. */
  close(): void;

  /** Its configuration space; undefined: it says nothing of itself. */
  readonly config?: DeviceConfig | undefined;
  /** How commands reach it; undefined: it takes none. */
  readonly control?: DeviceControl | undefined;
  /** Takes single queues away and gives them back; undefined: it cannot (RING_RESET). Known once features are accepted. */
  readonly reset?: QueueReset | undefined;
  /** Takes more memory while it runs; undefined: it cannot. */
  readonly memorySlots?: MemorySlots | undefined;
  /** Notes down what it has in flight, for a device that takes its place; undefined: it does not. */
  readonly inflight?: InflightNotes | undefined;
  /** Is told the port's MTU (`DeviceSetup.mtu`); undefined: it is not. */
  readonly mtu?: MtuSetting | undefined;
}

/** What is particular to a transport in the choice of features, as masks. */
export interface DeviceTraits {
  /** Taken wherever they are offered, whatever the port wishes. */
  readonly wanted: bigint;
  /** Without them the device cannot be driven. */
  readonly needed: bigint;
  /** What this side does in the device's place, offered or not. */
  readonly own: bigint;
}

/** What a port asks of the size of a ring. */
export interface QueueSizeRequest {
  /** Number of the queue. */
  readonly queue: number;
  /** Of the ring. */
  readonly format: RingFormat;
  /** Descriptors the application asked for; undefined: it did not. */
  readonly wanted?: number | undefined;
  /** Descriptors that are enough where there is a choice. Default: up to the device. */
  readonly enough?: number;
}

/** A virtqueue that a device is given. */
export interface PlacedQueue {
  /** Its number. */
  readonly index: number;
  /** Descriptors. */
  readonly size: number;
  /** Where the device begins: 0 for fresh split rings, see `DriverQueue.base`. */
  readonly base: number;
  /** Byte offsets in the memory. */
  readonly addresses: VringAddresses;
  /** Signalled by the driver when there are new buffers; undefined: the driver uses what `kick` gave. */
  readonly kick: EventFd | undefined;
  /** For the device to signal when it has used buffers; undefined: the driver looks by itself. */
  readonly call: EventFd | undefined;
  /** True if used buffers may wait to be taken: for devices whose interrupts are found by looking. */
  readonly waiting: () => boolean;
}

/** What a device is started with. */
export interface DeviceSetup {
  /** What `allocate` gave: rings and packets. */
  readonly memory: DeviceMemory;
  /** Bytes from the start of the memory that the device is to reach. */
  readonly reach: number;
  /** Receive and transmit queues, by number without gaps. */
  readonly queues: readonly PlacedQueue[];
  /** The control queue, if it is a ring of the port's. */
  readonly control: PlacedQueue | undefined;
  /** Bytes, if the device is to be told (`NetDevice.mtu`). */
  readonly mtu: number | undefined;
  /** Where a device with `NetDevice.inflight` notes down what it has; undefined: it need not. */
  readonly inflight: InflightHolder | undefined;
}

/** The configuration space of a device (virtio 1.4, section 5.1.4). */
export interface DeviceConfig {
  /** What the device says of itself now. @param features those by which a field counts */
  read(features: bigint, wait?: WaitOptions): Promise<ConfigSpace>;
  /** Calls the handler whenever something may have changed. @returns takes the handler back */
  onChange(handler: () => void): () => void;
}

/** Who carries out the commands of a port (virtio 1.4, section 5.1.6.5). */
export interface DeviceControl {
  /** The device's own control queue; undefined: it has none. */
  readonly queue: DeviceControlQueue | undefined;
  /** Carries out commands in place of a control queue; undefined: nobody does. @param pairs of the port */
  readonly substitute: ((pairs: number) => ControlChannel) | undefined;
}

/** The control queue of a device. */
export interface DeviceControlQueue {
  /** The features that a device offers whose control queue answers. */
  readonly features: bigint;
  /** The way to it, once the device runs, where the transport itself drives the queue; undefined: it is a ring of the port's. */
  readonly channel: (() => ControlChannel | undefined) | undefined;
}

/** How single queues are reset (virtio 1.4, section 2.6.1). */
export interface QueueReset {
  /** Has the device let go of a queue. */
  take(queue: number, wait: WaitOptions): Promise<void>;
  /** Gives it a fresh ring in the same place. */
  give(queue: PlacedQueue, wait: WaitOptions): Promise<void>;
}

/** How a device that runs is given more memory. */
export interface MemorySlots {
  /** Lets the device reach more of the memory. @param start byte offset, where its reach has ended @param end its new end */
  add(memory: DeviceMemory, start: number, end: number, wait: WaitOptions): Promise<void>;
}

/** Memory in which a device notes down which buffers it has, and which outlives it. */
export interface InflightArea {
  /** Bytes; 0: the device has none. */
  readonly mmapSize: number;
  /** Where it starts in the file. */
  readonly mmapOffset: number;
  /** Rings it is for, from ring 0 on. */
  readonly queues: number;
  /** Descriptors of the largest ring. */
  readonly queueSize: number;
  /** The file. */
  readonly fd: number;
}

/** Where a device notes down which buffers it has (INFLIGHT_SHMFD). */
export interface InflightNotes {
  /** Asks for memory to note down unfinished work in. @returns its `fd` is the caller's to close */
  get(queues: number, queueSize: number, wait?: WaitOptions): Promise<InflightArea>;
  /** Before rings run: where they note down what they have, or where a predecessor did. @param fd stays the caller's */
  set(area: Omit<InflightArea, 'fd'>, fd: number, wait?: WaitOptions): Promise<void>;
}

/** Keeps that memory from one device to the next. */
export interface InflightHolder {
  /** Asks the device for the memory of fresh rings, if these are, so that nobody waits for it when it is handed over. */
  ask(notes: InflightNotes | undefined, queues: readonly PlacedQueue[], wait: WaitOptions): Promise<void>;
  /** Before rings run: hands the memory over, which for fresh rings is new and from the device itself. */
  hand(notes: InflightNotes | undefined, queues: readonly PlacedQueue[], wait: WaitOptions): Promise<void>;
}

/** How a device is told the MTU of the port (NET_MTU). */
export interface MtuSetting {
  /** @param mtu 68 to 65535 bytes */
  set(mtu: number, wait?: WaitOptions): Promise<void>;
}
