import { VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VLAN, VIRTIO_NET_F_CTRL_VQ } from '@vio/net';
import { isBroadcast } from '@vio/net/internal';
import type { DriverSettings } from '../control/driver-settings.ts';
import { MacSet } from './mac-set.ts';

/**
 * What a driver wants to receive (virtio 1.4, sections 5.1.9.5.1 to 5.1.9.5.3), made from its settings once. A driver
 * without CTRL_RX gets everything, one that did not tell its address all that is addressed to somebody.
 */
export class ReceiveFilter {
  /** True when nothing is kept back. */
  readonly open: boolean;
  readonly #unicast: 'all' | 'none' | MacSet;
  readonly #multicast: 'all' | 'none' | MacSet;
  readonly #broadcast: boolean;
  /** By VLAN; undefined: all of them. */
  readonly #vlans: Uint8Array | undefined;

  constructor(features: bigint, settings: DriverSettings) {
    const has = (feature: bigint): boolean =>
      (features & VIRTIO_NET_F_CTRL_VQ) !== 0n && (features & feature) !== 0n;
    const { rxModes, mac, unicast, multicast } = settings;
    this.open = !has(VIRTIO_NET_F_CTRL_RX) || rxModes.has('promiscuous');
    this.#unicast = rxModes.has('noUnicast')
      ? 'none'
      : rxModes.has('allUnicast') || mac === undefined
        ? 'all'
        : new MacSet([mac, ...unicast]);
    this.#multicast = rxModes.has('noMulticast')
      ? 'none'
      : rxModes.has('allMulticast')
        ? 'all'
        : new MacSet(multicast);
    this.#broadcast = !rxModes.has('noBroadcast');
    this.#vlans = has(VIRTIO_NET_F_CTRL_VLAN) ? vlanTable(settings.vlans) : undefined;
  }

  /**
   * Whether the driver wants the frame at `at`, which has a destination address.
   * @param vlan of the frame, -1: none
   */
  accepts(u8: Uint8Array, at: number, vlan: number): boolean {
    if (this.open) return true;
    if (vlan !== -1 && this.#vlans !== undefined && this.#vlans[vlan] === 0) return false;
    if ((u8[at] & 1) === 0) return wanted(this.#unicast, u8, at);
    return isBroadcast(u8, at) ? this.#broadcast : wanted(this.#multicast, u8, at);
  }
}

function wanted(which: 'all' | 'none' | MacSet, u8: Uint8Array, at: number): boolean {
  return which === 'all' || (which !== 'none' && which.has(u8, at));
}

function vlanTable(vlans: ReadonlySet<number>): Uint8Array {
  const table = new Uint8Array(4096);
  for (const id of vlans) table[id] = 1;
  return table;
}
