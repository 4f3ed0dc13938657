import type { FrameRules } from '../frames/frame-rules.ts';

/** Words of the memory: grows with every change; MTU, 0 for none; VLAN_*; stops and starts of the port; of queue 0, 1, ... */
const VERSION = 0;
const MTU = 1;
const VLAN = 2;
const PORT_TURNS = 3;
const FIRST_QUEUE = 4;

const VLAN_STRIP = 1;
const VLAN_INSERT = 2;

/**
 * What can be changed of a port while its queues move packets, for whoever polls them in whichever thread: which queues are
 * stopped, and what is done to frames. It lies in memory that only threads of this process share, and no peer. A queue looks at
 * `words[0]` once for each burst, and reads the rest when that has changed.
 *
 * A port and each of its queues is turned off and on: an odd number of turns is off. Queue 2n receives, 2n + 1 transmits.
 */
export class PortSwitches {
  /** For other threads: `new PortSwitches(memory)`. */
  readonly memory: SharedArrayBuffer;
  /** The memory as words, of which the first grows with every change. */
  readonly words: Int32Array;
  /** What is done to frames, as it was at this version: whoever sends frame by frame asks for each of them. */
  #rules: FrameRules = {};
  #rulesVersion = -1;

  /** @param deferred numbers of the queues that are off to begin with */
  static create(rules: FrameRules, pairs: number, deferred: readonly number[] = []): PortSwitches {
    const switches = new PortSwitches(new SharedArrayBuffer(4 * (FIRST_QUEUE + 2 * pairs)));
    for (const queue of deferred) switches.words[FIRST_QUEUE + queue] = 1;
    switches.rules = rules;
    return switches;
  }

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.words = new Int32Array(memory);
  }

  /** As `words[0]`; what was stored before it is there for whoever has read it. */
  get version(): number {
    return Atomics.load(this.words, VERSION);
  }

  /** What is done to frames. */
  get rules(): FrameRules {
    const { version } = this;
    if (version === this.#rulesVersion) return this.#rules;
    const mtu = this.words[MTU];
    const vlan = this.words[VLAN];
    this.#rulesVersion = version;
    this.#rules = {
      ...(mtu === 0 ? {} : { mtu }),
      vlanStrip: (vlan & VLAN_STRIP) !== 0,
      vlanInsert: (vlan & VLAN_INSERT) !== 0,
    };
    return this.#rules;
  }

  set rules({ mtu = 0, vlanStrip = false, vlanInsert = false }: FrameRules) {
    this.words[MTU] = mtu;
    this.words[VLAN] = (vlanStrip ? VLAN_STRIP : 0) | (vlanInsert ? VLAN_INSERT : 0);
    this.#publish();
  }

  /** The whole port is off. */
  get stopped(): boolean {
    return isOdd(this.words[PORT_TURNS]);
  }

  /** The queue itself is off, whatever the port is. */
  isQueueOff(queue: number): boolean {
    return isOdd(this.words[FIRST_QUEUE + queue]);
  }

  /** Nothing passes the queue, because it or the port is off. */
  isStopped(queue: number): boolean {
    return this.stopped || this.isQueueOff(queue);
  }

  /** Another number after every turn of the queue or the port. */
  turns(queue: number): number {
    return this.words[PORT_TURNS] + this.words[FIRST_QUEUE + queue];
  }

  /** Turns the whole port off or on. */
  turnPort(on: boolean): void {
    this.#turn(PORT_TURNS, on);
  }

  /** Turns one queue off or on. */
  turnQueue(queue: number, on: boolean): void {
    this.#turn(FIRST_QUEUE + queue, on);
  }

  #turn(word: number, on: boolean): void {
    if (isOdd(this.words[word]) !== on) return;
    this.words[word]++;
    this.#publish();
  }

  #publish(): void {
    Atomics.add(this.words, VERSION, 1);
  }
}

function isOdd(n: number): boolean {
  return (n & 1) !== 0;
}

/** The switches of one queue, and what it has seen of them. */
export interface QueueSwitch {
  /** Those of its port. */
  readonly port: PortSwitches;
  /** Number of the queue: 2n receives, 2n + 1 transmits. */
  readonly queue: number;
}
