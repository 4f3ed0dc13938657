// Sends frames that come back, and accounts for every one of them.
import { setImmediate as turn } from 'node:timers/promises';
import type { Endpoint } from './endpoint.ts';
import { FrameLedger, makeFrame, readFrame } from './payload.ts';

export interface ExchangeOptions {
  /** Queue pairs to use, all at once. */
  readonly queues: number;
  /** Frame length in bytes. */
  readonly length: number;
  /** Frames to send on each queue pair. */
  readonly count: number;
  /** Most frames under way on a queue pair: no more than all rings and buffers on the way hold. */
  readonly window: number;
  /** The far side exchanges the MAC addresses. */
  readonly swapped?: boolean;
  /** Milliseconds without a frame after which those under way count as lost, default 5000. */
  readonly patience?: number;
}

/**
 * Sends `count` frames on every queue pair to a peer that sends them back, and compares every bit.
 * @returns frames that came back, over all queue pairs
 * @throws Error that says which frame was damaged, came twice, came out of the wrong queue or did not come
 */
export async function exchange(endpoint: Endpoint, options: ExchangeOptions): Promise<number> {
  const ledgers = Array.from({ length: options.queues }, (_, queue) => new FrameLedger(queue));
  let lastArrival = performance.now();
  let emptyTurns = 0;
  while (ledgers.some((ledger) => ledger.received < options.count)) {
    for (const [pair, ledger] of ledgers.entries()) {
      sendSome(endpoint, pair, ledger, options);
      for (const frame of endpoint.receive(pair)) {
        arrive(ledger, frame, options);
        lastArrival = performance.now();
        emptyTurns = 0;
      }
    }
    await turn();
    // Turns as well: a machine that stands still for seconds lets nobody look.
    if (++emptyTurns > 1000 && performance.now() - lastArrival > (options.patience ?? 5000))
      throw lost(endpoint, ledgers, options);
  }
  // Whatever came twice has come by now, or shows up in the counters.
  for (const [pair, ledger] of ledgers.entries()) {
    for (const frame of endpoint.receive(pair)) arrive(ledger, frame, options);
  }
  return ledgers.reduce((sum, ledger) => sum + ledger.received, 0);
}

function sendSome(endpoint: Endpoint, pair: number, ledger: FrameLedger, options: ExchangeOptions): void {
  const room = Math.min(options.window - ledger.underWay, options.count - ledger.sent, 32);
  if (room <= 0) return;
  ledger.leave(
    endpoint.send(
      pair,
      ledger.next(room, options.length).map((identity) => makeFrame(identity)),
    ),
  );
}

function arrive(ledger: FrameLedger, frame: Uint8Array, options: ExchangeOptions): void {
  ledger.arrive(readFrame(frame, options.swapped));
}

function lost(endpoint: Endpoint, ledgers: readonly FrameLedger[], options: ExchangeOptions): Error {
  const queues = ledgers.map(
    (ledger, queue) =>
      `queue ${queue}: ${ledger.sent} sent, ${ledger.received} back, missing ${ledger.missing}`,
  );
  return new Error(
    `no frame of ${options.length} bytes for ${options.patience ?? 5000} ms\n${queues.join('\n')}\n${endpoint.describe()}`,
  );
}

/** Sends back what arrives on every queue pair, until `stop` is called. */
export function echo(endpoint: Endpoint, queues: number): { stop(): void } {
  const waiting: Uint8Array[][] = Array.from({ length: queues }, () => []);
  let running = true;
  const poll = (): void => {
    for (const [pair, frames] of waiting.entries()) {
      frames.push(...endpoint.receive(pair));
      frames.splice(0, endpoint.send(pair, frames));
    }
    if (running) setImmediate(poll);
  };
  poll();
  return {
    stop() {
      running = false;
    },
  };
}
