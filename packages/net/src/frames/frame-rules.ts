import { VioError } from '@vio/native';
import { ethernetBytes, vlanTagBytes } from '../packet-headers.ts';

/** What is done to the frames of a port besides moving them. Nothing by default, and then it costs nothing. */
export interface FrameRules {
  /** Largest payload of an Ethernet frame in bytes, 68 to 9710; larger frames are dropped and counted. Default: no limit. */
  readonly mtu?: number;
  /** Takes the VLAN tag (802.1Q) off received frames, into `burst.vlan`. Default false. */
  readonly vlanStrip?: boolean;
  /** Puts the tag in `burst.vlan` into frames that are sent. Default false. */
  readonly vlanInsert?: boolean;
}

/** Smallest MTU of IPv4 (RFC 791), and the largest that fits a frame of 9728 bytes, which is DPDK's limit, with a tag. */
export const minMtu = 68;
/** Largest MTU that a port can have, in bytes. */
export const maxMtu = 9728 - ethernetBytes - vlanTagBytes;

/** @throws VioError VIO_MTU when no port can have this MTU */
export function checkMtu(mtu: number | undefined): void {
  if (mtu === undefined || (Number.isInteger(mtu) && mtu >= minMtu && mtu <= maxMtu)) return;
  throw new VioError(`an MTU of ${mtu} bytes is out of range`, {
    code: 'VIO_MTU',
    remedy: `choose ${minMtu} to ${maxMtu}`,
  });
}
