import { type UnixListener, VioError, type WaitOptions, checkWait, throwLater } from '@vio/native';
import { NetPort, type NetPortParts, type QueuePairHandle } from '@vio/net';
import { announce } from './announce.ts';
import type { VirtioUserConfig } from './config.ts';
import type { PortMemory } from './port-memory.ts';
import { type ReconnectParts, reconnect } from './reconnect.ts';
import { type QueueName, resetQueue } from './reset-queue.ts';
import { type StartPlan, stopDevice } from './start.ts';

const stopMilliseconds = 1000;

/** A virtio-net port on a vhost-user backend. Made by `openVirtioUser`; everything it holds goes with `close`. */
export class VirtioUserPort extends NetPort implements AsyncDisposable {
  /** What the port was opened with. */
  readonly config: VirtioUserConfig;
  /** Of a port opened with `detached`: its queue pairs, each for one other thread (`WorkerPort.attach`). */
  readonly handles: readonly QueuePairHandle[];
  /** Link speed in Mbit/s as the devargs say; 0xffffffff is unknown. */
  readonly speed: number;
  /** Features that were asked for, by devargs, options or default, and that the backend does not have: `IN_ORDER`, ... */
  readonly missing: readonly string[];
  /** Times the backend came back. */
  reconnects = 0;
  /** Of those, how often the new one went on where the old one had ended. */
  resumed = 0;
  readonly #reconnection: ReconnectParts | null;
  readonly #stopping = new AbortController();
  #plan: StartPlan;
  readonly #memory: PortMemory;
  readonly #listener: UnixListener | null;
  #closing: Promise<void> | null = null;

  constructor(
    parts: NetPortParts & { readonly missing: readonly string[] },
    handles: readonly QueuePairHandle[],
    config: VirtioUserConfig,
    plan: StartPlan,
    listener: UnixListener | null,
    reconnection: ReconnectParts | null,
  ) {
    super(parts);
    this.handles = handles;
    this.missing = parts.missing;
    this.config = config;
    this.speed = config.speed;
    this.#plan = plan;
    this.#memory = plan.memory;
    this.#listener = listener;
    this.#reconnection = reconnection;
    this.#watch();
  }

  /** As of any port, and `reconnects`, `reconnects_resumed`. */
  override stats(): Record<string, number> {
    return { ...super.stats(), reconnects: this.reconnects, reconnects_resumed: this.resumed };
  }

  /**
   * Gives one queue a fresh ring while the others go on: a queue that broke works again. Packets on the ring are given
   * up.
   * @throws VioError VIO_VHOST_UNSUPPORTED when the backend cannot (RING_RESET), and what ends a connection; RangeError
   *   when the port has no such queue
   */
  async resetQueue(name: QueueName, wait: WaitOptions = {}): Promise<void> {
    checkWait('resetQueue', wait);
    const reset = await resetQueue(this.#plan, name, wait);
    // A backend that came back meanwhile has fresh rings anyway.
    if (reset.transport === this.#plan.transport) this.#plan = reset;
  }

  /**
   * Adds buffers to the pool while packets move, in memory that is shared with the backend for them. For a port opened
   * with `memory: { maxBuffers }`.
   * @param buffers at least so many, as far as `maxBuffers` goes; whole pages of them are added
   * @returns how many were added
   * @throws VioError VIO_POOL_FULL; VIO_VHOST_UNSUPPORTED when the backend does not take more memory
   *   (CONFIGURE_MEM_SLOTS), VIO_VHOST_REFUSED when it takes no more; VIO_TIMEOUT, VIO_ABORTED
   */
  async growPool(buffers: number, wait: WaitOptions = {}): Promise<number> {
    checkWait('growPool', wait);
    return this.#memory.grow(this.pool, buffers, this.#plan.transport, wait);
  }

  /**
   * Stops the rings and gives everything back: socket, eventfds, memory. A backend that does not answer is left
   * behind after a second. Idempotent, never throws.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #watch(): void {
    const { transport } = this.#plan;
    transport.onLink?.((up) => {
      if (!this.closed && transport.down === null) this.setLink({ up });
    });
    transport.onAnnounce?.(() => {
      if (!this.gone && transport.down === null) void announce(this);
    });
    transport.onDown((reason) => {
      this.setLink({ up: false, reason });
      if (this.#reconnection !== null && !this.closed) void this.#reconnect(this.#reconnection);
    });
  }

  async #reconnect(parts: ReconnectParts): Promise<void> {
    const begin = performance.now();
    for (const { tx } of parts.pairs) tx.pause();
    this.#plan.transport.close();
    try {
      const { plan, attempts, resumed } = await reconnect(
        this.#plan,
        parts,
        this.#stopping.signal,
        (failed) => {
          // A backend that is not there yet is what the port waits for; what does not mend itself is news.
          if (!failed.reason.retryable) this.explainLink(failed.reason);
          this.emit('retry', failed);
        },
      );
      this.#plan = plan;
      this.reconnects++;
      if (resumed) this.resumed++;
      this.#watch();
      this.setLink({ up: true });
      this.emit('reconnect', { attempts, downtime: performance.now() - begin, resumed });
    } catch (reason) {
      // Closed meanwhile, or given up: `link` says why it stays down.
      if (this.closed) return;
      if (VioError.is(reason)) this.explainLink(reason);
      else throwLater(reason);
    }
  }

  async #close(): Promise<void> {
    this.end();
    this.#stopping.abort();
    await stopDevice(this.#plan, { timeout: stopMilliseconds });
    this.#plan.transport.close();
    this.#listener?.close();
    this.#plan.control?.[Symbol.dispose]();
    this.#plan.events[Symbol.dispose]();
    this.#plan.inflight?.[Symbol.dispose]();
    this.#memory[Symbol.dispose]();
    this.removeAllListeners();
  }
}
