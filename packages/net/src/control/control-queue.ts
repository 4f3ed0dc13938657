import type { WaitOptions } from '@vio/native';
import { settle, defaultTimeout } from '@vio/native/internal';
import { type Region, type RingFeatures, driverQueueBytes } from '@vio/rings';
import { type CommandPart, type CommandQueue, createCommandQueue } from '@vio/rings/internal';
import type { Notifier } from '../queue/queue-options.ts';
import { encodeCommand } from './codec.ts';
import { type ControlCommand, VIRTIO_NET_OK, commandHeaderBytes, describeCommand } from './commands.ts';
import type { ControlChannel } from './control-channel.ts';
import { commandRefused, commandValue, queueBroken, queueClosed } from './control-errors.ts';

/** Where a control queue lies, and who it belongs to. */
export interface ControlQueueOptions {
  /** The port's memory. */
  readonly region: Region;
  /** Byte offset in the region, a multiple of 4096; `ControlQueue.bytes` of them are used, which are zero. */
  readonly offset: number;
  /** Format and features of the ring. */
  readonly features: RingFeatures;
  /** Descriptors, at least 8. Default 16: commands go one by one. */
  readonly size?: number;
  /** The address by which the device knows offset 0 of the region. Default 0: offsets are addresses. */
  readonly address?: number;
  /** Tells the device of a command. */
  readonly kick: Notifier;
}

/** Room for a command and its answer behind the ring, in bytes. */
const commandBytes = 8192;
const defaultSize = 16;
/** Milliseconds between two looks at the ring; nobody waits for an interrupt. */
const pollInterval = 1;
/** An answer nobody can have written: the device leaves it when it does not answer. */
const noAnswer = 0xff;

/** A command somebody waits for. */
interface Waiting {
  readonly command: ControlCommand;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * The driver's side of a control queue, split or packed. One command is with the device at a time; the others stand
 * in line. A command that is given up (timeout, signal) stays with the device until that answers, or for ever: the
 * next one waits for it, since its memory is still the device's.
 */
export class ControlQueue implements ControlChannel {
  /** For telling the device where the ring is: size, addresses, base. */
  readonly ring: CommandQueue;
  readonly #region: Region;
  readonly #kick: Notifier;
  /** Where a command is put, behind the ring. */
  readonly #commandAt: number;
  readonly #line: Waiting[] = [];
  /** The command the device has; undefined also when it was given up. */
  #sent: Waiting | undefined;
  #answerAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** Bytes of memory it needs. */
  static bytes(features: RingFeatures, size = defaultSize): number {
    return driverQueueBytes(features, size) + commandBytes;
  }

  /** @throws VioError VIO_RING_SIZE */
  constructor({ region, offset, features, size = defaultSize, address = 0, kick }: ControlQueueOptions) {
    this.ring = createCommandQueue({ region, offset, size, features, address });
    this.#region = region;
    this.#kick = kick;
    this.#commandAt = offset + driverQueueBytes(features, size);
  }

  async execute(command: ControlCommand, wait: WaitOptions = {}): Promise<void> {
    const bytes = encodeCommand(command).data.reduce((sum, piece) => sum + piece.length, 0);
    if (bytes > commandBytes - commandHeaderBytes - 1) {
      throw commandValue(
        `a command of ${bytes} bytes does not fit`,
        'give fewer addresses, or a smaller table',
      );
    }
    const { timeout = defaultTimeout, signal } = wait;
    await settle<void>(
      `having the device ${describeCommand(command)}`,
      { timeout, signal },
      (resolve, reject) => {
        if (this.#closed) throw queueClosed();
        const waiting = { command, resolve, reject };
        this.#line.push(waiting);
        this.#advance();
        return () => this.#forget(waiting);
      },
    );
  }

  /** Every command that waits, and all to come, reject with VIO_CONTROL_CLOSED. The memory is not touched any more. */
  close(): void {
    this.#closed = true;
    this.#fail(queueClosed());
  }

  /** Sees what has become of the last command, and gives the device the next one. */
  #advance(): void {
    while (this.#line.length > 0) {
      const state = this.ring.poll();
      if (state === 'broken') return this.#fail(queueBroken());
      if (state === 'waiting') return this.#lookAgain();
      const answered = this.#sent;
      if (answered !== undefined) this.#settle(answered);
      const next = this.#line[0];
      if (next !== undefined) this.#submit(next);
    }
  }

  #lookAgain(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#advance();
    }, pollInterval);
  }

  #settle(answered: Waiting): void {
    this.#forget(answered);
    const answer = this.#region.u8[this.#answerAt];
    if (answer === VIRTIO_NET_OK) answered.resolve();
    else answered.reject(commandRefused(answered.command));
  }

  #submit(next: Waiting): void {
    const { class: controlClass, command, data } = encodeCommand(next.command);
    const { u8 } = this.#region;
    let at = this.#commandAt;
    const put = (bytes: Uint8Array, deviceWrites: boolean): CommandPart => {
      u8.set(bytes, at);
      const part = { offset: at, length: bytes.length, deviceWrites };
      at += bytes.length;
      return part;
    };
    const parts = [
      put(Uint8Array.of(controlClass, command), false),
      ...data.map((piece) => put(piece, false)),
      put(Uint8Array.of(noAnswer), true),
    ];
    this.#answerAt = at - 1;
    this.#sent = next;
    this.ring.submit(parts);
    this.#kick.signal();
  }

  /** Nobody waits for it any more; if it is with the device, it stays there. */
  #forget(waiting: Waiting): void {
    const place = this.#line.indexOf(waiting);
    if (place >= 0) this.#line.splice(place, 1);
    if (this.#sent === waiting) this.#sent = undefined;
    if (this.#line.length === 0 && this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }

  #fail(reason: unknown): void {
    for (const { reject } of this.#line.splice(0)) reject(reason);
  }
}
