import type { RingState } from '@vio/net';
import type { PortConfig } from '../config/schema.ts';
import { portCounterNames } from '../fabric/port-counters.ts';
import type { PortState } from '../ports/endpoint.ts';
import type { PortSight, SwitchThread } from '../threads/switch-thread.ts';

/** Who made a port: it goes with what made it. */
export type PortOrigin = 'config' | 'control' | 'directory';

/** A port of the switch, whichever of its threads has it. */
export class TablePort {
  config: PortConfig;
  readonly origin: PortOrigin;
  /** Among the ports of the switch. */
  readonly number: number;
  /** Number of its thread. */
  readonly worker: number;
  readonly thread: SwitchThread;
  /** Where its thread counts. */
  readonly memory = new SharedArrayBuffer(8 * portCounterNames.length);
  readonly counters = new Float64Array(this.memory);
  /** Somebody is at its other end, as its thread said last. */
  connected = false;

  constructor(
    config: PortConfig,
    parts: { origin: PortOrigin; number: number; worker: number; thread: SwitchThread },
  ) {
    this.config = config;
    this.origin = parts.origin;
    this.number = parts.number;
    this.worker = parts.worker;
    this.thread = parts.thread;
  }

  get name(): string {
    return this.config.name;
  }

  get state(): PortState {
    return this.connected ? 'up' : this.thread.see(this.number, 'state');
  }

  /** What was negotiated with the other end, if there is one. */
  get link(): PortSight['link'] {
    return this.connected ? this.thread.see(this.number, 'link') : undefined;
  }

  /** Counters of the rings behind it. */
  stats(): PortSight['stats'] {
    return this.connected ? this.thread.see(this.number, 'stats') : {};
  }

  rings(): readonly RingState[] {
    return this.connected ? this.thread.see(this.number, 'rings') : [];
  }

  dump(): Iterable<object> {
    return this.connected ? this.thread.see(this.number, 'dump') : [];
  }
}
