import { PacketBurst } from '@vio/net';
import type { Link } from './link.ts';
import { droppedDown, droppedFull, portCounterNames, txBytes, txFrames } from './port-counters.ts';
import { keepOffloads } from './frame-offloads.ts';
import { StormLimit } from './storm-limit.ts';
import { type VlanRules, vlanRules } from './vlan-rules.ts';

/** Frames that wait for one port; at least as many as a burst has, of which each frame is there once. */
const waitingCapacity = 64;

/** In the place of a port's number: the way to the ports of another thread. */
export const trunkNumber = -1;

/** What may be changed while a port forwards. */
export interface PortRules {
  readonly vlans: VlanRules;
  /** Bytes behind the Ethernet header, a VLAN tag not counted. */
  readonly mtu: number;
  readonly storm: StormLimit;
}

export const usualRules: PortRules = { vlans: vlanRules(), mtu: 65_521, storm: new StormLimit() };

/** A port of a bridge: its rules, its counters, what waits for it, and who is at the other end. */
export class SwitchPort {
  /** Among the ports of the switch; -1: it is none of them, but the way to those of another thread. */
  readonly number: number;
  readonly name: string;
  rules: PortRules = usualRules;
  /** Undefined while nobody is connected. */
  link: Link | undefined;
  /** Gets a copy of what comes in here. */
  mirrorIn: SwitchPort | undefined;
  /** Gets a copy of what goes out here. */
  mirrorOut: SwitchPort | undefined;
  /** It gets copies, and takes no part in anything else. */
  isMirror = false;
  /** In the order of `portCounterNames`. */
  readonly counters: Float64Array;
  /** Frames on their way out. They belong to the burst that is being forwarded. */
  readonly waiting = new PacketBurst(waitingCapacity, { offloads: true });

  constructor(
    number: number,
    name: string,
    counters: Float64Array = new Float64Array(portCounterNames.length),
  ) {
    this.number = number;
    this.name = name;
    this.counters = counters;
  }

  /** True for the way to the ports of another thread, which has been through a bridge there. */
  get isTrunk(): boolean {
    return this.number === trunkNumber;
  }

  /** Puts frame `i` of a burst behind what waits. @returns true if it is the first */
  add(burst: PacketBurst, i: number): boolean {
    const { waiting } = this;
    const to = waiting.count++;
    waiting.buffer[to] = burst.buffer[i];
    waiting.offset[to] = burst.offset[i];
    waiting.length[to] = burst.length[i];
    waiting.segments[to] = burst.segments[i];
    keepOffloads(waiting, to, burst, i);
    return to === 0;
  }

  /** Sends what waits. */
  flush(burst: PacketBurst): void {
    const { waiting } = this;
    waiting.pool = burst.pool;
    this.send(waiting, 0, waiting.count);
    waiting.count = 0;
  }

  /** Sends frames of a burst at once. */
  send(burst: PacketBurst, from: number, count: number): void {
    this.mirrorOut?.send(burst, from, count);
    const { link, counters } = this;
    if (link === undefined) {
      counters[droppedDown] += count;
      return;
    }
    const lost = link.deliver(burst, from, count);
    let bytes = 0;
    // Which of them were lost is the link's to know: the last ones, as a rule.
    for (let i = from; i < from + count - lost; i++) bytes += burst.length[i];
    counters[txFrames] += count - lost;
    counters[txBytes] += bytes;
    counters[droppedFull] += lost;
  }
}
