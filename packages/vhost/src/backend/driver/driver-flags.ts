import { type ListenOptions, VioError } from '@vio/native';
import { type OptionNames, checkOptions } from '@vio/native/internal';
import { BufferPool } from '@vio/rings';
import type { DeviceType } from '../type/device-type.ts';
import { VHOST_USER_PROTOCOL_F_PAGEFAULT } from '../../wire/index.ts';
import type { ServingOptions } from '../device/serving-options.ts';
import { LargeBuffers } from '../packets/large-buffers.ts';

/** How a backend meets its frontends, and how it takes their packets. */
export interface VhostDriverFlags {
  /** Connect to the socket, the frontend listens; default false: listen. */
  readonly client?: boolean;
  /** As a client: try once instead of again and again until there is somebody. A VDUSE device that is lost is not tried again. */
  readonly noReconnect?: boolean;
  /** As a client with `noReconnect`: `start` resolves at once, and tries until it is connected once. Without, it does so anyway. */
  readonly asyncConnect?: boolean;
  /** As a client, and for a VDUSE device that was lost: milliseconds between two attempts. Default 1000, as in DPDK. */
  readonly retry?: number;
  /** Frontends that may be connected at once; who comes then is refused. Default 1024. */
  readonly maxConnections?: number;
  /**
   * As a server: milliseconds a frontend has for its first request, and for the rest of one that has begun to arrive. Default
   * 10,000; Infinity waits for ever.
   */
  readonly handshakeTimeout?: number;
  /** As a server: who may connect, by mode and owner of the socket's file, as `{ mode: 0o660, gid: 1000 }`. Default: see umask. */
  readonly socket?: ListenOptions;
  /** What its devices are. Default: network cards, which this library knows. */
  readonly type?: DeviceType;
  /**
   * Packets are never in several buffers: one that does not fit one is dropped and counted (`dropped_no_room_packets`). A pool of
   * large buffers takes large packets. Default false.
   */
  readonly linearBuffers?: boolean;
  /**
   * Packets are never in several buffers: one that does not fit one gets a large buffer of its own, from this pool, or with true
   * from one of 64 buffers of 64 KiB that is made when the first of them comes. A burst has one pool: `burst.pool` says which, and
   * takes the buffers back. What fits no large buffer is dropped and counted (`dropped_no_room_packets`); where none is free a
   * packet waits, or with `linearBuffers` is dropped as well. Default false.
   */
  readonly externalBuffers?: boolean | BufferPool;
  /**
   * Serve drivers behind an I/O MMU: VIRTIO_F_ACCESS_PLATFORM is offered, and addresses of those that take it are I/O virtual ones,
   * which the frontend translates. For network cards. Default false.
   */
  readonly iommuSupport?: boolean;
  /**
   * Packets may be copied by an engine beside this thread (`VhostDevice.asyncChannelRegister`): a driver's memory is pre-allocated
   * and locked for it, unless `preAllocate` or `lock` is false. For network cards. Default false.
   */
  readonly asyncCopy?: boolean;
  /** Fault in all of a driver's memory when it is announced (MAP_POPULATE), which takes as long as that takes. Default false. */
  readonly preAllocate?: boolean;
  /** Keep all of a driver's memory in memory (mlock); a frontend whose memory cannot be locked is refused. Default false. */
  readonly lock?: boolean;
  /**
   * What `burst.offloads` says of packets that were taken is what their headers said, as a receiver has it (default). False: as
   * a sender has it, ready to be sent elsewhere; lengths of headers are then those of the frame, and nothing is said of what is
   * not TCP or UDP.
   */
  readonly compliantOffloadFlags?: boolean;
  /** Guests may come before their memory does, which follows page by page (postcopy, PAGEFAULT). Default false. */
  readonly postcopySupport?: boolean;
  /** Milliseconds a page of such a guest may take, for which this process waits; then its connection ends. Default 60,000. */
  readonly postcopyTimeout?: number;
  /**
   * Of a VDUSE device: the directory of the files with which the next process goes on when this one is killed, `NAME.rings` and
   * `NAME.json`; it is made. Default `/run/vio/vduse`, or `vio/vduse` in XDG_RUNTIME_DIR for who is not root.
   */
  readonly stateDirectory?: string;
}

/** Milliseconds. */
const defaultPostcopyTimeout = 60_000;

const flagNames: OptionNames<VhostDriverFlags> = {
  client: true,
  noReconnect: true,
  asyncConnect: true,
  retry: true,
  maxConnections: true,
  handshakeTimeout: true,
  socket: true,
  type: true,
  linearBuffers: true,
  externalBuffers: true,
  iommuSupport: true,
  asyncCopy: true,
  preAllocate: true,
  lock: true,
  compliantOffloadFlags: true,
  postcopySupport: true,
  postcopyTimeout: true,
  stateDirectory: true,
};

/**
 * @param vduse for a device on the vdpa bus instead of a socket
 * @throws VioError VIO_OPTION_UNKNOWN, VIO_OPTION_CONFLICT, VIO_OPTION_VALUE
 */
export function checkFlags(flags: VhostDriverFlags, vduse = false): void {
  checkOptions('VhostDriver.register', flags, flagNames);
  if (vduse) checkVduse(flags);
  else if (flags.stateDirectory !== undefined)
    throw conflict('stateDirectory is for VDUSE devices', 'leave it out, or register /dev/vduse/NAME');
  const { client, noReconnect, asyncConnect } = flags;
  for (const [name, given] of Object.entries({ noReconnect, asyncConnect })) {
    if (given === true && client !== true && !(vduse && name === 'noReconnect'))
      throw conflict(`${name} is for clients`, 'give client: true as well');
  }
  if (flags.iommuSupport === true && flags.type !== undefined)
    throw conflict('iommuSupport is for network cards', 'leave type out, or iommuSupport');
  const { externalBuffers = false } = flags;
  if (typeof externalBuffers !== 'boolean' && !(externalBuffers instanceof BufferPool)) {
    throw new VioError(`VhostDriver.register cannot have externalBuffers of ${typeof externalBuffers}`, {
      code: 'VIO_OPTION_VALUE',
      remedy: 'give true, or a BufferPool of large buffers',
    });
  }
  if (flags.asyncCopy === true && flags.type !== undefined)
    throw conflict('asyncCopy is for network cards', 'leave type out, or asyncCopy');
  if (flags.asyncCopy === true && flags.postcopySupport === true)
    throw conflict('asyncCopy is for memory that is there', 'leave postcopySupport out, or asyncCopy');
  if (flags.postcopySupport === true && (flags.preAllocate === true || flags.lock === true))
    throw conflict('postcopySupport is for memory that is not there yet', 'leave preAllocate and lock out');
  if (flags.postcopyTimeout !== undefined && flags.postcopySupport !== true)
    throw conflict('postcopyTimeout is for postcopy', 'give postcopySupport: true as well');
  checkNumber('postcopyTimeout', flags.postcopyTimeout, 1);
  checkNumber('retry', flags.retry, 0);
  checkNumber('maxConnections', flags.maxConnections, 1);
  checkNumber('handshakeTimeout', flags.handshakeTimeout, 1);
}

/** What only sockets and their frontends have. The memory of a VDUSE device is the kernel's, page by page as it is used. */
function checkVduse(flags: VhostDriverFlags): void {
  const { client, asyncConnect, iommuSupport, postcopySupport, asyncCopy, preAllocate, lock } = flags;
  const socket = Object.keys(flags.socket ?? {}).length > 0;
  const given = { client, asyncConnect, iommuSupport, postcopySupport, asyncCopy, preAllocate, lock, socket };
  for (const [name, value] of Object.entries(given)) {
    if (value === true) throw conflict(`${name} is for sockets, not for /dev/vduse`, `leave ${name} out`);
  }
}

/** Protocol features that frontends are offered only where a flag says so. */
export function withheldProtocol({ postcopySupport = false }: VhostDriverFlags): bigint {
  return postcopySupport ? 0n : VHOST_USER_PROTOCOL_F_PAGEFAULT;
}

/** What flags say of how a device is served. */
export function servingOptions(flags: VhostDriverFlags): ServingOptions {
  const { externalBuffers = false, linearBuffers = false, asyncCopy = false } = flags;
  const { preAllocate = asyncCopy, lock = asyncCopy } = flags;
  const given = externalBuffers === true ? undefined : externalBuffers;
  return {
    dequeue: {
      linear: linearBuffers,
      transmitMetadata: flags.compliantOffloadFlags === false,
      ...(given === false ? {} : { external: new LargeBuffers(given) }),
    },
    memory: { preAllocate, lock },
    iommu: flags.iommuSupport === true,
    asyncCopy,
    postcopyTimeout: flags.postcopyTimeout ?? defaultPostcopyTimeout,
  };
}

function checkNumber(name: string, value: number | undefined, least: number): void {
  if (value === undefined || value >= least) return;
  throw new VioError(`VhostDriver.register cannot have a ${name} of ${value}`, {
    code: 'VIO_OPTION_VALUE',
    remedy: `give a number from ${least} on`,
  });
}

function conflict(message: string, remedy: string): VioError {
  return new VioError(message, { code: 'VIO_OPTION_CONFLICT', remedy });
}
