import type { PacketBurst } from '@vio/net';
import type { Link } from '../fabric/link.ts';
import type { TrunkSender, TrunkTarget } from './trunk-sender.ts';

/** What is at the other end of a trunk port: frames go there. What comes from there is taken by a `TrunkReceiver`, for all bridges. */
export class TrunkLink implements Link {
  readonly queues = 0;
  readonly #sender: TrunkSender;
  readonly #target: TrunkTarget;

  constructor(sender: TrunkSender, target: TrunkTarget) {
    this.#sender = sender;
    this.#target = target;
  }

  receive(): number {
    return 0;
  }

  deliver(burst: PacketBurst, from: number, count: number): number {
    return this.#sender.send(this.#target, burst, from, count);
  }

  arm(): boolean {
    return false;
  }

  disarm(): void {}

  stats(): Record<string, number> {
    return {};
  }

  describe(): Record<string, unknown> {
    return { kind: 'trunk' };
  }
}
