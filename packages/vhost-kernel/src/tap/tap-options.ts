import { VioError } from '@vio/native';
import { type OptionNames, checkOptions, quoted } from '@vio/native/internal';
import { isMac } from '@vio/net/internal';
import { maxInterfaceName } from '../interface/interface-ioctls.ts';

/** How a tap is opened; what is left out stays as it is. */
export interface TapOptions {
  /** 1 to 15 characters; `%d` lets the kernel find a number. Default `tap%d`. */
  readonly name?: string;
  /** Queues, 1 to 256. Default 1. */
  readonly queues?: number;
  /** Bytes of the virtio-net header in front of every frame. Default: there is none. */
  readonly virtioHeader?: 10 | 12;
  /** Whether the interface outlives its last descriptor. */
  readonly persistent?: boolean;
  /** Who may open it later without CAP_NET_ADMIN. */
  readonly uid?: number;
  /** Group that may open it later without CAP_NET_ADMIN. */
  readonly gid?: number;
  /** TUN_F_* bits: what this process takes off the kernel's hands. */
  readonly offloads?: number;
  /** Bytes on their way to this process before senders have to wait. */
  readonly sendBuffer?: number;
  /** As in `02:00:00:00:00:01`. */
  readonly mac?: string;
  /** Bytes, 68 to 65521. */
  readonly mtu?: number;
  /** Whether the interface is up. */
  readonly up?: boolean;
  /** Path of another network namespace, as `/run/netns/blue`. */
  readonly netns?: string;
}

const optionNames: OptionNames<TapOptions> = {
  name: true,
  queues: true,
  virtioHeader: true,
  persistent: true,
  uid: true,
  gid: true,
  offloads: true,
  sendBuffer: true,
  mac: true,
  mtu: true,
  up: true,
  netns: true,
};

const maxQueues = 256;

/** @throws VioError VIO_TAP_NAME, VIO_TAP_QUEUES, VIO_INTERFACE_MAC, VIO_OPTION_UNKNOWN */
export function checkTapOptions(options: TapOptions): void {
  checkOptions('Tap.open', options, optionNames);
  const { name, queues = 1, mac } = options;
  const usable =
    name === undefined || (/^[^\s/:]+$/.test(name) && Buffer.byteLength(name) <= maxInterfaceName);
  if (!usable || name === '.' || name === '..') {
    throw new VioError(`${quoted(name)} cannot be the name of an interface`, {
      code: 'VIO_TAP_NAME',
      remedy: `use 1 to ${maxInterfaceName} characters without spaces, slashes and colons`,
    });
  }
  if (!Number.isInteger(queues) || queues < 1 || queues > maxQueues) {
    throw new VioError(`a tap cannot have ${queues} queues`, {
      code: 'VIO_TAP_QUEUES',
      remedy: `use 1 to ${maxQueues}`,
    });
  }
  if (mac !== undefined && !isMac(mac)) {
    throw new VioError(`${quoted(mac)} is no MAC address`, {
      code: 'VIO_INTERFACE_MAC',
      remedy: 'give six bytes as in 02:00:00:00:00:01',
    });
  }
}
