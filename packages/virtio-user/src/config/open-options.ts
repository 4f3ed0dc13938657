import { VioError, type WaitOptions } from '@vio/native';
import { type OptionNames, checkOptions } from '@vio/native/internal';
import type { FrameOptions, MemoryOptions, OffloadOptions, QueueName, ReconnectOptions } from '@vio/net';
import { checkPortOptions } from '@vio/net/internal';
import type { SocketOptions } from './backend-place.ts';
import type { BackendDescriptors } from './descriptors.ts';

/** Who answers the commands of a port: the backend, on a ring of its own, or the frontend in its place. */
export type ControlQueueOwner = 'backend' | 'emulated';

/** What devargs have no word for. */
export interface OpenOptions extends WaitOptions, FrameOptions {
  /** Milliseconds for each step of reaching and starting the backend. Default 5000. */
  readonly timeout?: number | undefined;
  /**
   * Gets one line per elected path, as DPDK logs them, and one for whatever was asked for and is not so: features that the
   * backend does not offer (`port.missing`), no vectorised path, filters that are emulated. Default: nothing is logged.
   */
  readonly log?: (line: string) => void;
  /** Number of the port in log lines. Default 0. */
  readonly portNumber?: number;
  /** Of a vhost-kernel backend: path of the network namespace the tap belongs to. Default: this process's. */
  readonly netns?: string;
  /** With server=1: who may connect to the socket, for example `{ mode: 0o660, gid: 1000 }`. */
  readonly socket?: SocketOptions;
  /** What somebody else has opened for the port. Such a port does not reconnect. */
  readonly descriptors?: BackendDescriptors;
  /**
   * Who answers the commands of `port.control`. Default: the backend, if its features say that it does (a vhost-user
   * backend that offers CTRL_VQ and CTRL_MAC_ADDR, a vDPA device that offers CTRL_VQ), else they are emulated.
   */
  readonly controlQueue?: ControlQueueOwner;
  /** Checksums and segmentation that are left to the other side. Default: none. */
  readonly offloads?: OffloadOptions;
  /**
   * True: kicks and calls by event index (EVENT_IDX) where the backend offers that, so that two sides that sleep wake each
   * other once for many packets. Default false, as DPDK: for two that poll it is only work.
   */
  readonly eventIdx?: boolean;
  /** Pages of the memory, and what it may grow to. */
  readonly memory?: MemoryOptions;
  /**
   * Whether the port looks for a backend that went away, and how. Default: true as the server (the backend connects
   * again), false as the client. Detached queue pairs do not come back.
   */
  readonly reconnect?: boolean | ReconnectOptions;
  /**
   * True: the queue pairs are for other threads, who take them over with `WorkerPort.open(port.handles[i])`. The
   * port itself then has no queues; it keeps the connection, and its end is the end of them all. Default false.
   */
  readonly detached?: boolean;
  /** Descriptors of receive rings alone. Default: `queue_size`. */
  readonly rxQueueSize?: number;
  /** Descriptors of transmit rings alone. Default: `queue_size`. */
  readonly txQueueSize?: number;
  /** True: a ring of another size than was asked for is an error (VIO_QUEUE_SIZE). Default false: `port.warnings` says so. */
  readonly exactQueueSize?: boolean;
  /**
   * What the application promises of the packets it sends: 0xf01, DPDK's `txq_flags` of one segment and no offload, has the simple
   * transmit path elected where nothing speaks against it. Default 0: nothing.
   */
  readonly txqFlags?: number;
  /** Queues that do not start with the port, but by `port.startQueue`. Default: none. */
  readonly deferredStart?: readonly QueueName[];
}

const optionNames: OptionNames<OpenOptions> = {
  timeout: true,
  signal: true,
  mtu: true,
  vlan: true,
  log: true,
  portNumber: true,
  netns: true,
  socket: true,
  descriptors: true,
  controlQueue: true,
  offloads: true,
  eventIdx: true,
  memory: true,
  reconnect: true,
  detached: true,
  txqFlags: true,
  rxQueueSize: true,
  txQueueSize: true,
  exactQueueSize: true,
  deferredStart: true,
};
const socketNames: OptionNames<SocketOptions> = { mode: true, uid: true, gid: true, backlog: true };
const descriptorNames: OptionNames<BackendDescriptors> = {
  socket: true,
  tap: true,
  vhostNet: true,
  vdpa: true,
};
const reconnectNames: OptionNames<ReconnectOptions> = {
  minDelay: true,
  maxDelay: true,
  attempts: true,
  inflight: true,
};

/**
 * Checks what the options themselves can say; `offloads` are checked by who makes features of them.
 * @throws VioError VIO_OPTION_UNKNOWN, VIO_DESCRIPTORS
 */
export function checkOpenOptions(options: OpenOptions): void {
  const { socket, descriptors, reconnect } = options;
  checkOptions('openVirtioUser', options, optionNames);
  checkPortOptions(options);
  checkOptions('socket', socket, socketNames);
  checkOptions('descriptors', descriptors, descriptorNames);
  if (typeof reconnect === 'object') checkOptions('reconnect', reconnect, reconnectNames);
  checkBesideDescriptors(options);
}

/** What was opened once cannot be opened again, and a tap that exists has its namespace. */
function checkBesideDescriptors({ descriptors, reconnect, netns }: OpenOptions): void {
  if (descriptors === undefined || ((reconnect ?? false) === false && netns === undefined)) return;
  throw new VioError(`${netns === undefined ? 'reconnect' : 'netns'} does not go with descriptors`, {
    code: 'VIO_DESCRIPTORS',
    remedy: 'leave it out, or give the path of the backend instead of descriptors',
  });
}
