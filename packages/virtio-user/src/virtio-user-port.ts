import type { SharedMemory, UnixListener } from '@vio/native';
import { NetPort, type NetPortParts, type QueuePairHandle } from '@vio/net';
import type { VirtioUserConfig } from './config.ts';
import { type StartPlan, stopDevice } from './start.ts';

const stopMilliseconds = 1000;

/** A virtio-net port on a vhost-user backend. Made by `openVirtioUser`; everything it holds goes with `close`. */
export class VirtioUserPort extends NetPort implements AsyncDisposable {
  readonly config: VirtioUserConfig;
  /** Of a port opened with `detached`: its queue pairs, each for one other thread (`WorkerPort.attach`). */
  readonly handles: readonly QueuePairHandle[];
  /** Link speed in Mbit/s as the devargs say; 0xffffffff is unknown. */
  readonly speed: number;
  readonly #plan: StartPlan;
  readonly #memory: SharedMemory;
  readonly #listener: UnixListener | null;
  #closing: Promise<void> | null = null;

  constructor(
    parts: NetPortParts,
    handles: readonly QueuePairHandle[],
    config: VirtioUserConfig,
    plan: StartPlan,
    listener: UnixListener | null,
  ) {
    super(parts);
    this.handles = handles;
    this.config = config;
    this.speed = config.speed;
    this.#plan = plan;
    this.#memory = plan.memory;
    this.#listener = listener;
    plan.transport.onDown((reason) => this.setLink({ up: false, reason }));
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

  async #close(): Promise<void> {
    this.end();
    if (this.#plan.transport.down === null) {
      // What the backend says to a stop changes nothing any more.
      await stopDevice(this.#plan, { timeout: stopMilliseconds }).catch(() => {});
    }
    this.#plan.transport.close();
    this.#listener?.close();
    this.#plan.events[Symbol.dispose]();
    this.#memory.close();
    this.removeAllListeners();
  }
}
