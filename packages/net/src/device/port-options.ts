import { VioError, type WaitOptions } from '@vio/native';
import { type OptionNames, checkOptions, quoted } from '@vio/native/internal';
import type { FrameOptions } from '../frames/frame-options.ts';
import { checkOffloadNames } from '../offload/offload-features.ts';
import type { FeatureWishes } from './features/choose-features.ts';
import type { MemoryOptions } from './memory/device-memory.ts';
import type { NetDevice } from './net-device.ts';
import type { QueueName } from './queues/queue-name.ts';

/** How a port that lost its device looks for it again. */
export interface ReconnectOptions {
  /**
   * Milliseconds before the first attempt, doubled after every one that fails. Default 100; a server, whom the backend
   * looks for, begins to listen at once.
   */
  readonly minDelay?: number;
  /** Milliseconds between two attempts at most. Default 5000. */
  readonly maxDelay?: number;
  /** Attempts before the port gives up. Default: it never does. */
  readonly attempts?: number;
  /**
   * False: rings start afresh with every device. Default true: where both the old and the new device can, the rings
   * stay, and the new device goes on where the old one ended (INFLIGHT_SHMFD).
   */
  readonly inflight?: boolean;
}

/** The same, and where the device is found. */
export interface PortReconnect extends ReconnectOptions {
  /** Reaches a device in place of the one that went. @throws VioError: the next attempt follows */
  readonly connect: (wait: WaitOptions) => Promise<NetDevice>;
}

/** What every opener of a port takes: `openPort`, `openVirtioUser`, `openPciPort`. */
export interface CommonPortOptions
  extends WaitOptions, FrameOptions, Pick<FeatureWishes, 'eventIdx' | 'offloads' | 'without'> {
  /** Milliseconds for each step of reaching and starting the device. Default 5000. */
  readonly timeout?: number | undefined;
  /** Descriptors of each receive ring. Default: `queueSize`, or the devarg `queue_size`. */
  readonly rxQueueSize?: number | undefined;
  /** Descriptors of each transmit ring. Default: `queueSize`, or the devarg `queue_size`. */
  readonly txQueueSize?: number | undefined;
  /** True: a ring of another size than was asked for is an error (VIO_QUEUE_SIZE). Default false: `port.warnings` says so. */
  readonly exactQueueSize?: boolean | undefined;
  /**
   * What the application promises of the packets it sends: 0xf01, DPDK's `txq_flags` of one segment and no offload, has the simple
   * transmit path elected where nothing speaks against it. A packet of several buffers is dropped there, and counted as
   * `dropped_no_room_packets`. Default 0: nothing.
   */
  readonly txqFlags?: number | undefined;
  /**
   * False: multicast and broadcast frames are not counted as such (`rx_q0_multicast_packets` and so on stay 0), and no frame is looked
   * at. A port whose frames are passed on unread receives much faster then. Default: true, but on vectorised paths, which never count them.
   */
  readonly groupCounters?: boolean | undefined;
  /** Pages of the memory, and what it may grow to. */
  readonly memory?: MemoryOptions | undefined;
  /**
   * True: the queue pairs are for other threads, who take them over with `WorkerPort.open(port.handles[i])`. The
   * port itself then has no queues; it keeps the device, and its end is the end of them all. Default false.
   */
  readonly detached?: boolean | undefined;
  /** Queues that do not start with the port, but by `port.startQueue`. Default: none. */
  readonly deferredStart?: readonly QueueName[] | undefined;
  /**
   * Gets one line per elected path, as DPDK logs them, and one for whatever was asked for and is not so: features that the
   * device does not offer (`port.missing`), no vectorised path, filters that are emulated; and one on huge pages. Default: nothing is logged.
   */
  readonly log?: ((line: string) => void) | undefined;
  /** Number of the port in log lines. Default 0. */
  readonly portNumber?: number | undefined;
}

/** What a port is to be like. What is not in `CommonPortOptions`, an opener may take by other names, such as devargs. */
export interface PortOptions extends CommonPortOptions, FeatureWishes {
  /**
   * Descriptors of each ring. A ring of a device that does not have as many is of the device's size, and `port.warnings` says so.
   * Default: up to the device.
   */
  readonly queueSize?: number | undefined;
  /** As in `02:00:00:00:00:01`. Default: the device's, or a random local one. */
  readonly mac?: string | undefined;
  /** Mbit/s to report. Default: what the device says. */
  readonly speed?: number | undefined;
  /** Vectorised paths are preferred where they can be used. Default false. */
  readonly vectorized?: boolean | undefined;
  /** Looks for a device that went. Detached queue pairs do not come back. Default: it is not looked for. */
  readonly reconnect?: PortReconnect | undefined;
}

/** The names of what every opener takes: each spreads them into its own. */
export const commonOptionNames: OptionNames<CommonPortOptions> = {
  timeout: true,
  signal: true,
  mtu: true,
  vlan: true,
  eventIdx: true,
  offloads: true,
  without: true,
  rxQueueSize: true,
  txQueueSize: true,
  exactQueueSize: true,
  txqFlags: true,
  groupCounters: true,
  memory: true,
  detached: true,
  deferredStart: true,
  log: true,
  portNumber: true,
};

/** The names of all options of `openPort`. */
export const portOptionNames: OptionNames<PortOptions> = {
  ...commonOptionNames,
  queues: true,
  queueSize: true,
  packed: true,
  inOrder: true,
  mergeable: true,
  wanted: true,
  controlQueue: true,
  mac: true,
  speed: true,
  vectorized: true,
  reconnect: true,
};

/** The names of how a device is looked for. */
export const reconnectNames: OptionNames<ReconnectOptions> = {
  minDelay: true,
  maxDelay: true,
  attempts: true,
  inflight: true,
};

const vlanNames: OptionNames<NonNullable<FrameOptions['vlan']>> = { strip: true, insert: true };
const memoryNames: OptionNames<MemoryOptions> = {
  hugepages: true,
  lock: true,
  buffers: true,
  maxBuffers: true,
};

/**
 * Refuses options of an opener that there are not, and parts of them.
 * @param where the opener's name
 * @param names all that it takes
 * @throws VioError VIO_OPTION_UNKNOWN, VIO_OPTION_VALUE
 */
export function checkPortOptions<T extends CommonPortOptions>(
  where: string,
  options: T,
  names: OptionNames<T>,
): void {
  checkOptions(where, options, names);
  checkOptions('vlan', options.vlan, vlanNames);
  checkOptions('memory', options.memory, memoryNames);
  checkHugepages(where, options.memory?.hugepages);
  checkOffloadNames(options.offloads);
}

const hugepageWishes: readonly unknown[] = [undefined, 'auto', 'none', '2M', '1G'];

function checkHugepages(where: string, wish: unknown): void {
  if (hugepageWishes.includes(wish)) return;
  throw new VioError(`${where} cannot have memory.hugepages: ${quoted(String(wish))}`, {
    code: 'VIO_OPTION_VALUE',
    remedy: "give 'auto', 'none', '2M' or '1G'",
  });
}

const controlQueues: readonly unknown[] = [undefined, true, false, 'device', 'emulated'];

/**
 * Refuses what no control queue can be.
 * @param where the opener's name
 * @throws VioError VIO_OPTION_VALUE
 */
export function checkControlQueue(where: string, controlQueue: unknown): void {
  if (controlQueues.includes(controlQueue)) return;
  throw new VioError(`${where} cannot have controlQueue: ${quoted(String(controlQueue))}`, {
    code: 'VIO_OPTION_VALUE',
    remedy:
      controlQueue === 'backend'
        ? "give 'device', as 'backend' is called now"
        : "give 'device', 'emulated', true or false",
  });
}
