import {
  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_RX_EXTRA,
  VIRTIO_NET_F_CTRL_VLAN,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_HASH_REPORT,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_RSS,
} from '../feature-bits.ts';
import type { HashConfig } from '../rss/hash-types.ts';

/** What a device answers (virtio 1.4, section 5.1.9.5). */
export const VIRTIO_NET_OK = 0;
/** The device refused the command. */
export const VIRTIO_NET_ERR = 1;

/** Modes of receive filtering (5.1.9.5.1), in the order of their command numbers. */
export const rxModes = [
  'promiscuous',
  'allMulticast',
  'allUnicast',
  'noMulticast',
  'noUnicast',
  'noBroadcast',
] as const;

/** A mode of receive filtering. */
export type RxMode = (typeof rxModes)[number];

/** Receive-side scaling (5.1.9.5.7). Receive queues are named by their pair, from 0. */
export interface RssConfig extends HashConfig {
  /** Receive queue by the low bits of the hash: a power of two of entries, 128 with most devices. */
  readonly table: readonly number[];
  /** Receive queue of packets that are not hashed. */
  readonly unclassified: number;
  /** Transmit queues the driver uses, from the first on. */
  readonly transmitQueues: number;
}

/** A command of the driver; MAC addresses as in `02:00:00:00:00:01`. */
export type ControlCommand =
  | {
      readonly kind: 'rx-mode';
      /** The mode that is switched. */
      readonly mode: RxMode;
      /** Whether it is on afterwards. */
      readonly on: boolean;
    }
  | {
      readonly kind: 'mac-table';
      /** Unicast addresses to receive, besides the device's own. */
      readonly unicast: readonly string[];
      /** Multicast addresses to receive. */
      readonly multicast: readonly string[];
    }
  | {
      readonly kind: 'mac-address';
      /** The device's address from now on. */
      readonly mac: string;
    }
  | {
      readonly kind: 'vlan-add';
      /** Identifier of a VLAN to receive, 0 to 4095. */
      readonly id: number;
    }
  | {
      readonly kind: 'vlan-remove';
      /** Identifier of a VLAN to receive no more, 0 to 4095. */
      readonly id: number;
    }
  | { readonly kind: 'announce-ack' }
  | {
      readonly kind: 'queue-pairs';
      /** Queue pairs to use, 1 to 32768. */
      readonly pairs: number;
    }
  | {
      readonly kind: 'rss';
      /** How packets are hashed, and spread over the queues. */
      readonly config: RssConfig;
    }
  | {
      readonly kind: 'hash';
      /** How packets are hashed. */
      readonly config: HashConfig;
    }
  | {
      readonly kind: 'guest-offloads';
      /** The receive offloads that are on: a mask of VIRTIO_NET_F_GUEST_* bits. */
      readonly offloads: bigint;
    };

/** Bytes of class and command number. */
export const commandHeaderBytes = 2;

/** Queue pairs that PAIRS_SET can ask for (5.1.9.5.6). */
export const mostQueuePairs = 0x8000;
/** Entries an indirection table can have; no device has as many. */
export const mostTableEntries = 0x8000;
export const mostKeyBytes = 255;
/** VLAN identifiers have 12 bits. */
export const mostVlanId = 4095;

/** Features without which a command may not be given (the driver requirements of 5.1.9.5). */
export function requiredFeatures(command: ControlCommand): bigint {
  return VIRTIO_NET_F_CTRL_VQ | ownFeature(command);
}

function ownFeature(command: ControlCommand): bigint {
  switch (command.kind) {
    case 'rx-mode':
      return rxModes.indexOf(command.mode) < 2 ? VIRTIO_NET_F_CTRL_RX : VIRTIO_NET_F_CTRL_RX_EXTRA;
    case 'mac-table':
      return VIRTIO_NET_F_CTRL_RX;
    case 'mac-address':
      return VIRTIO_NET_F_CTRL_MAC_ADDR;
    case 'vlan-add':
    case 'vlan-remove':
      return VIRTIO_NET_F_CTRL_VLAN;
    case 'announce-ack':
      return VIRTIO_NET_F_GUEST_ANNOUNCE;
    case 'queue-pairs':
      return VIRTIO_NET_F_MQ;
    case 'rss':
      return VIRTIO_NET_F_RSS;
    case 'hash':
      return VIRTIO_NET_F_HASH_REPORT;
    case 'guest-offloads':
      return VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
  }
}

/** A command in a few words, for messages: `use 4 queue pairs`. */
export function describeCommand(command: ControlCommand): string {
  switch (command.kind) {
    case 'rx-mode':
      return `turn the receive mode ${command.mode} ${command.on ? 'on' : 'off'}`;
    case 'mac-table':
      return `receive for ${command.unicast.length + command.multicast.length} more addresses`;
    case 'mac-address':
      return `have the address ${command.mac}`;
    case 'vlan-add':
      return `let VLAN ${command.id} through`;
    case 'vlan-remove':
      return `keep VLAN ${command.id} back`;
    case 'announce-ack':
      return 'take the acknowledgement of its announcement';
    case 'queue-pairs':
      return `use ${command.pairs} queue pairs`;
    case 'rss':
      return `spread packets over the receive queues ${[...new Set(command.config.table)].join(', ')}`;
    case 'hash':
      return 'report hashes';
    case 'guest-offloads':
      return `set the receive offloads to 0x${command.offloads.toString(16)}`;
  }
}
