import type { VioError } from '@vio/native';
import { callApplication } from '@vio/native/internal';
import type { QueueFault } from '@vio/rings';
import { EventEmitter } from 'eventemitter3';

/** State of the link to the backend, and of the wire behind it. */
export interface LinkState {
  /** Frames can pass. */
  readonly up: boolean;
  /**
   * Why no frame passes between port and backend any more. Absent when this side closed the port, and when only the
   * device's own link is down: frames still leave the port, but get no farther, and what was under way still arrives.
   */
  readonly reason?: VioError;
}

/** A queue that stopped because its peer wrote nonsense. */
export interface BrokenQueue {
  /** Receive or transmit queue. */
  readonly direction: 'rx' | 'tx';
  /** Number of its queue pair. */
  readonly queue: number;
  /** What the peer wrote. */
  readonly fault: QueueFault;
}

/** A backend that is back. */
export interface Reconnected {
  /** Attempts it took. */
  readonly attempts: number;
  /** Milliseconds without a backend. */
  readonly downtime: number;
  /** True: it goes on where the old one ended, and no packet was given up; false: the rings are fresh ones. */
  readonly resumed: boolean;
}

/** An attempt to get a backend back that failed. */
export interface FailedAttempt {
  /** Which one, from 1 on. */
  readonly attempt: number;
  /** Why it failed. */
  readonly reason: VioError;
  /** Milliseconds until the next one. */
  readonly delay: number;
}

/** The events of a port, with what their listeners are given. */
export interface NetPortEvents {
  /** The link has changed. */
  link: (link: LinkState) => void;
  /** The backend went away and is back; `link` has told of both. */
  reconnect: (back: Reconnected) => void;
  /** One more attempt to get a backend back has failed. */
  retry: (attempt: FailedAttempt) => void;
  /** Something that was asked for is otherwise (`DevicePort.warnings`), and the port runs with what there is. */
  warning: (warning: VioError) => void;
  /** A queue is broken: its peer wrote nonsense. */
  broken: (queue: BrokenQueue) => void;
}

/**
 * Listeners that do not depend on each other: what one throws is an `uncaughtException` on a later tick, the others are
 * called, and the port goes on with what it was doing. `this` is the port.
 */
export class PortEmitter extends EventEmitter<NetPortEvents> {
  override emit<E extends keyof NetPortEvents>(
    event: E,
    ...args: EventEmitter.EventArgs<NetPortEvents, E>
  ): boolean {
    const listeners = this.listeners(event);
    for (const listener of listeners) {
      // Takes away only what listens once.
      this.off(event, listener, undefined, true);
      callApplication(() => Reflect.apply(listener, this, args));
    }
    return listeners.length > 0;
  }
}
