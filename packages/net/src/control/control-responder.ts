import { ChainBurst, type DeviceQueue, type MemoryMap } from '@vio/rings';
import { decodeCommand } from './codec.ts';
import {
  type ControlCommand,
  VIRTIO_NET_ERR,
  VIRTIO_NET_OK,
  commandHeaderBytes,
  requiredFeatures,
} from './commands.ts';

/** Largest command that is looked at, in bytes: a MAC table of 2700 addresses, say. */
const mostCommandBytes = 16_384;

/** What answers a driver's commands. */
export interface ControlResponderOptions {
  /** The device's side of the control queue. */
  readonly queue: DeviceQueue;
  /** The driver's memory, as the queue has it. */
  readonly memory: MemoryMap;
  /** Negotiated device features: commands that need others are refused. */
  readonly features: bigint;
  /** Carries out a command; false refuses it. */
  readonly execute: (command: ControlCommand) => boolean;
}

/**
 * The device's side of a control queue: takes the driver's commands and answers them. A command is copied out of the
 * driver's memory once, and the copy is read; what is too long, has no room for an answer, is no command or needs a
 * feature that was not negotiated is refused, and nothing is thrown. Chains that are no chains break the queue
 * (`queue.broken`), as in every queue.
 */
export class ControlResponder {
  /** The device's side of the ring. Between two calls of `serve` it may be replaced by another view of the same ring. */
  queue: DeviceQueue;
  readonly #memory: MemoryMap;
  readonly #features: bigint;
  readonly #execute: (command: ControlCommand) => boolean;
  readonly #chains: ChainBurst;

  constructor({ queue, memory, features, execute }: ControlResponderOptions) {
    this.queue = queue;
    this.#memory = memory;
    this.#features = features;
    this.#execute = execute;
    this.#chains = new ChainBurst(1, Math.max(64, 2 * queue.size));
  }

  /**
   * Answers the commands that are there, at most as many as the ring has descriptors: a driver that is faster does not
   * keep us here.
   * @returns how many; the driver is called when `queue.callNeeded()` says so
   */
  serve(): number {
    const chains = this.#chains;
    let served = 0;
    for (; served < this.queue.size && this.queue.fetch(chains, 1) === 1; served++) {
      let answer = VIRTIO_NET_ERR;
      try {
        if (this.#perform()) answer = VIRTIO_NET_OK;
      } finally {
        // An application that throws has not carried it out.
        chains.written[0] = this.#answer(answer);
        this.queue.complete(chains, 0, 1);
      }
    }
    return served;
  }

  #perform(): boolean {
    const chains = this.#chains;
    if (chains.writableBytes[0] === 0) return false;
    const bytes = this.#read();
    if (bytes === undefined || bytes.length < commandHeaderBytes) return false;
    const command = decodeCommand(bytes[0], bytes[1], bytes.subarray(commandHeaderBytes));
    if (command === undefined || (requiredFeatures(command) & ~this.#features) !== 0n) return false;
    return this.#execute(command);
  }

  /** A copy of what the driver wrote; undefined: it is too long. */
  #read(): Uint8Array | undefined {
    const { readable, readableBytes, window, offset, length } = this.#chains;
    if (readableBytes[0] > mostCommandBytes) return undefined;
    const bytes = new Uint8Array(readableBytes[0]);
    let at = 0;
    for (let segment = 0; segment < readable[0]; segment++) {
      const { u8 } = this.#memory.windows[window[segment]].region;
      bytes.set(u8.subarray(offset[segment], offset[segment] + length[segment]), at);
      at += length[segment];
    }
    return bytes;
  }

  /** @returns bytes written: none where the driver left no room */
  #answer(answer: number): number {
    const { readable, writableBytes, window, offset } = this.#chains;
    if (writableBytes[0] === 0) return 0;
    const segment = readable[0];
    this.#memory.windows[window[segment]].region.u8[offset[segment]] = answer;
    return 1;
  }
}
