import { VioError } from '@vio/native';
import { type OptionNames, checkOptions } from '@vio/native/internal';
import type { CommonPortOptions, FeatureWishes, ReconnectOptions } from '@vio/net';
import { checkControlQueue, checkPortOptions, commonOptionNames, reconnectNames } from '@vio/net/internal';
import type { SocketOptions } from './backend-place.ts';
import type { BackendDescriptors } from './descriptors.ts';

/** What devargs have no word for: what every port takes, and how its backend is reached. */
export interface OpenOptions extends CommonPortOptions {
  /** Of a vhost-kernel backend: path of the network namespace the tap belongs to. Default: this process's. */
  readonly netns?: string;
  /** With server=1: who may connect to the socket, for example `{ mode: 0o660, gid: 1000 }`. */
  readonly socket?: SocketOptions;
  /** What somebody else has opened for the port. Such a port does not reconnect. */
  readonly descriptors?: BackendDescriptors;
  /**
   * Who carries out the commands of `port.control`, whatever the devarg `cq` says: true: the backend, if its features say that
   * it does (a vhost-user backend that offers CTRL_VQ and CTRL_MAC_ADDR, a vDPA device that offers CTRL_VQ), else they are
   * emulated; `device`: the backend, or the port is not opened; `emulated`: the frontend in its place; false: nobody.
   * Default: true with `cq=1`, several queue pairs, `rss` or `hashReport`, else false.
   */
  readonly controlQueue?: FeatureWishes['controlQueue'];
  /**
   * Whether the port looks for a backend that went away, and how. Default: true as the server (the backend connects
   * again), false as the client. Detached queue pairs do not come back.
   */
  readonly reconnect?: boolean | ReconnectOptions;
}

const optionNames: OptionNames<OpenOptions> = {
  ...commonOptionNames,
  netns: true,
  socket: true,
  descriptors: true,
  controlQueue: true,
  reconnect: true,
};
const socketNames: OptionNames<SocketOptions> = { mode: true, uid: true, gid: true, backlog: true };
const descriptorNames: OptionNames<BackendDescriptors> = {
  socket: true,
  tap: true,
  vhostNet: true,
  vdpa: true,
};

/**
 * Checks what the options themselves can say.
 * @throws VioError VIO_OPTION_UNKNOWN, VIO_OPTION_VALUE, VIO_DESCRIPTORS
 */
export function checkOpenOptions(options: OpenOptions): void {
  const { socket, descriptors, reconnect } = options;
  checkPortOptions('openVirtioUser', options, optionNames);
  checkControlQueue('openVirtioUser', options.controlQueue);
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
