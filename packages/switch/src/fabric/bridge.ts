import type { PacketBurst } from '@vio/net';
import { be16, be32, ethernetBytes, isTagged, vlanTagBytes } from '@vio/net/internal';
import type { BufferPool } from '@vio/rings';
import { frameBytes } from './frame-offloads.ts';
import { insertTag, removeTag } from './frame-tag.ts';
import { MacTable } from './mac-table.ts';
import {
  droppedOversize,
  droppedReserved,
  droppedRunt,
  droppedStorm,
  droppedVlan,
  filteredFrames,
  floodedFrames,
  mirroredFrames,
  rxBytes,
  rxFrames,
  unlearnedFrames,
} from './port-counters.ts';
import type { SwitchPort } from './switch-port.ts';
import { noVlan, vlanNone, vlanTagged } from './vlan-rules.ts';

/** The last VLAN number is reserved. */
const reservedVlan = 0xfff;

/**
 * A learning bridge (IEEE 802.1Q): a frame goes where its destination was heard last in its VLAN, and to all others of the VLAN
 * when nobody knows. Allocates nothing for a frame: what goes to one port in a burst is sent to it at once.
 */
export class Bridge {
  readonly name: string;
  /** May be one that bridges of other threads learn in as well. */
  table: MacTable;
  /** By number of the port: it, or the trunk that leads to it. Those of other bridges are holes. */
  readonly #byNumber: (SwitchPort | undefined)[] = [];
  readonly #members: SwitchPort[] = [];
  /** Ports for which something waits. */
  readonly #waiting: SwitchPort[] = [];
  #waitingCount = 0;
  /** Of the frame in hand: its VLAN, what the tag says or would say, and whether it has one at this moment. */
  #vlan = 0;
  #tci = 0;
  #tagged = false;

  constructor(name: string, table = new MacTable()) {
    this.name = name;
    this.table = table;
  }

  get ports(): readonly SwitchPort[] {
    return this.#members;
  }

  add(port: SwitchPort): void {
    this.#members.push(port);
    if (!port.isTrunk) this.#byNumber[port.number] = port;
  }

  /** A port of this number is there, in another thread. @param trunk that leads to it; undefined: it is gone */
  place(number: number, trunk: SwitchPort | undefined): void {
    this.#byNumber[number] = trunk;
  }

  remove(port: SwitchPort): void {
    const at = this.#members.indexOf(port);
    if (at === -1) return;
    this.#members.splice(at, 1);
    if (port.isTrunk) return;
    this.#byNumber[port.number] = undefined;
    this.table.forget(port.number);
  }

  /** The other end of a port is gone: what was heard there is not there any more. */
  left(port: SwitchPort): void {
    this.table.forget(port.number);
  }

  /**
   * Forwards what came in by a port. The burst stays the caller's; its frames may have lost their tags, or have gained some.
   * @param now ticks, see `MacTable`
   */
  forward(from: SwitchPort, burst: PacketBurst, now: number): void {
    const { pool, count } = burst;
    if (pool === undefined) return;
    const { counters } = from;
    counters[rxFrames] += count;
    for (let i = 0; i < count; i++) counters[rxBytes] += burst.length[i];
    if (from.isMirror) {
      counters[filteredFrames] += count;
      return;
    }
    if (from.mirrorIn !== undefined) {
      from.mirrorIn.send(burst, 0, count);
      counters[mirroredFrames] += count;
    }
    for (let i = 0; i < count; i++) {
      if (this.#classify(from, burst, pool, i)) this.#route(from, burst, pool, i, now);
    }
    this.#flush(burst);
  }

  /** Finds out which VLAN a frame is in. @returns false: it is dropped, and counted */
  #classify(from: SwitchPort, burst: PacketBurst, pool: BufferPool, i: number): boolean {
    const { counters, rules } = from;
    const { native, tags, member } = rules.vlans;
    const bytes = burst.length[i];
    const inOnePiece = burst.segments[i] === 1 ? bytes : pool.dataLength[burst.buffer[i]];
    if (bytes < ethernetBytes || (inOnePiece < ethernetBytes + vlanTagBytes && inOnePiece < bytes)) {
      counters[droppedRunt]++;
      return false;
    }
    const at = burst.offset[i];
    const { u8 } = pool.region;
    this.#tagged = inOnePiece >= ethernetBytes + vlanTagBytes && isTagged(u8, at);
    this.#tci = this.#tagged ? be16(u8, at + ethernetBytes) : 0;
    if (frameBytes(burst, pool, i) - ethernetBytes - (this.#tagged ? vlanTagBytes : 0) > rules.mtu) {
      counters[droppedOversize]++;
      return false;
    }
    const vlan = this.#tci & 0xfff;
    // A tag of VLAN 0 gives a priority and no VLAN.
    this.#vlan = vlan === 0 ? native : vlan;
    const known = vlan === 0 ? native !== noVlan : tags && vlan !== reservedVlan && member[vlan] !== vlanNone;
    if (!known) {
      counters[droppedVlan]++;
      return false;
    }
    if (vlan === 0 && this.#tagged) {
      removeTag(burst, pool, i);
      this.#tagged = false;
    }
    if (!this.#tagged) this.#tci = (this.#tci & 0xf000) | this.#vlan;
    return true;
  }

  #route(from: SwitchPort, burst: PacketBurst, pool: BufferPool, i: number, now: number): void {
    const { u8 } = pool.region;
    const at = burst.offset[i];
    const vlan = this.#vlan << 16;
    // What comes by a trunk was learned where it came in.
    if ((u8[at + 6] & 1) === 0 && !from.isTrunk) {
      const learned = this.table.learn(vlan | be16(u8, at + 6), be32(u8, at + 8), from.number, now);
      if (!learned) from.counters[unlearnedFrames]++;
    }
    if ((u8[at] & 1) === 1) {
      if (isReserved(u8, at)) from.counters[droppedReserved]++;
      else this.#flood(from, burst, pool, i, now);
      return;
    }
    const known = this.table.lookup(vlan | be16(u8, at), be32(u8, at + 2), now);
    const to = known === -1 ? undefined : this.#byNumber[known];
    if (to === undefined) {
      this.#flood(from, burst, pool, i, now);
      return;
    }
    const form = to.rules.vlans.member[this.#vlan];
    // What has come from one thread goes to no other: who sent it has sent it there itself.
    if (to === from || form === vlanNone || (to.isTrunk && from.isTrunk)) {
      from.counters[filteredFrames]++;
      return;
    }
    if ((form === vlanTagged) !== this.#tagged) this.#retag(burst, pool, i);
    this.#put(to, burst, pool, i);
  }

  #flood(from: SwitchPort, burst: PacketBurst, pool: BufferPool, i: number, now: number): void {
    if (!from.rules.storm.take(now)) {
      from.counters[droppedStorm]++;
      return;
    }
    from.counters[floodedFrames]++;
    const members = this.#members;
    let others = 0;
    for (let k = 0; k < members.length; k++) {
      const to = members[k];
      const form = to.rules.vlans.member[this.#vlan];
      if (form === vlanNone || !takesFloods(to, from)) continue;
      if ((form === vlanTagged) === this.#tagged) this.#put(to, burst, pool, i);
      else others++;
    }
    if (others === 0) return;
    // The others want it with a tag, or without one: all that waits has to be gone before it changes.
    this.#flush(burst);
    this.#retag(burst, pool, i);
    for (let k = 0; k < members.length; k++) {
      const to = members[k];
      const form = to.rules.vlans.member[this.#vlan];
      if (form === vlanNone || !takesFloods(to, from)) continue;
      if ((form === vlanTagged) === this.#tagged) this.#put(to, burst, pool, i);
    }
  }

  /** A frame for one port, or one of several. */
  #put(to: SwitchPort, burst: PacketBurst, pool: BufferPool, i: number): void {
    const bytes = frameBytes(burst, pool, i) - ethernetBytes - (this.#tagged ? vlanTagBytes : 0);
    if (bytes > to.rules.mtu) to.counters[droppedOversize]++;
    else if (to.add(burst, i)) this.#waiting[this.#waitingCount++] = to;
  }

  #retag(burst: PacketBurst, pool: BufferPool, i: number): void {
    if (this.#tagged) removeTag(burst, pool, i);
    else insertTag(burst, pool, i, this.#tci);
    this.#tagged = !this.#tagged;
  }

  #flush(burst: PacketBurst): void {
    const waiting = this.#waiting;
    for (let k = 0; k < this.#waitingCount; k++) waiting[k].flush(burst);
    this.#waitingCount = 0;
  }
}

function takesFloods(to: SwitchPort, from: SwitchPort): boolean {
  return to !== from && !to.isMirror && to.link !== undefined && !(to.isTrunk && from.isTrunk);
}

/** 01:80:c2:00:00:00 to 0f: pause frames, spanning trees and LLDP end at the next bridge. */
function isReserved(u8: Uint8Array, at: number): boolean {
  return (
    u8[at] === 0x01 &&
    u8[at + 1] === 0x80 &&
    u8[at + 2] === 0xc2 &&
    (u8[at + 3] | u8[at + 4]) === 0 &&
    u8[at + 5] < 0x10
  );
}
