import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { dupFd } from '@vio/native';
import type { ControlCommand } from '@vio/net';
import { decodeCommand, encodeCommand, requiredFeatures } from '@vio/net/internal';
import { type RingFormat, inflightBytes } from '@vio/rings';
import { InflightBuffer } from '../vring/inflight-buffer.ts';
import { vduseError } from './vduse-errors.ts';

/** Bytes of a state file at most: a table of MAC addresses is the largest thing in it. */
const mostBytes = 1 << 20;

/** Class, number and data of a command, as it stands in the file. */
type KeptCommand = readonly [controlClass: number, command: number, data: string];

/**
 * What a successor has to know of a device and cannot ask the kernel: what its rings have in flight (`NAME.rings`, in the layout of
 * vhost-user's inflight buffer), and what its driver has asked for by the control queue (`NAME.json`). It outlives the process, and
 * begins anew with the driver.
 */
export class VduseState implements Disposable {
  readonly #journal: string;
  readonly #commands: string;
  readonly #queues: number;
  readonly #queueSize: number;
  readonly #fd: number;

  /**
   * @param queueSize descriptors of a queue at most
   * @throws VioError VIO_VDUSE_STATE when there can be no files in the directory
   */
  constructor(directory: string, name: string, queues: number, queueSize: number) {
    this.#journal = join(directory, `${name}.rings`);
    this.#commands = join(directory, `${name}.json`);
    this.#queues = queues;
    this.#queueSize = queueSize;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      // Not through a link: whoever may write to the directory would say where.
      this.#fd = openSync(this.#journal, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    } catch (cause) {
      throw vduseError('STATE', `the state of ${name} cannot be kept in ${directory}`, cause);
    }
  }

  /** A driver starts: nothing is in flight, and it has asked for nothing. No journal may be mapped. */
  clear(): void {
    ftruncateSync(this.#fd, 0);
    rmSync(this.#commands, { force: true });
  }

  /** Where rings of this format note down what they have in flight. @throws VioError VIO_VHOST_MEMORY */
  journal(format: RingFormat): InflightBuffer {
    const queues = this.#queues;
    const queueSize = this.#queueSize;
    const mmapSize = queues * inflightBytes(format, queueSize);
    if (fstatSync(this.#fd).size < mmapSize) ftruncateSync(this.#fd, mmapSize);
    return InflightBuffer.map({ mmapSize, mmapOffset: 0, queues, queueSize }, dupFd(this.#fd));
  }

  /** Keeps what the driver has asked for, whole or not at all. @throws VioError VIO_VDUSE_STATE */
  keep(commands: readonly ControlCommand[]): void {
    const kept = commands.map((command): KeptCommand => {
      const { class: controlClass, command: number, data } = encodeCommand(command);
      return [controlClass, number, Buffer.concat(data).toString('base64')];
    });
    const next = `${this.#commands}.next`;
    try {
      rmSync(next, { force: true });
      writeFileSync(next, JSON.stringify(kept), { mode: 0o600, flag: 'wx' });
      renameSync(next, this.#commands);
    } catch (cause) {
      throw vduseError('STATE', `what the driver asked for cannot be kept in ${this.#commands}`, cause);
    }
  }

  /** What was kept. Whatever is no command, or none of a driver with these features, is left out. */
  commands(features: bigint): ControlCommand[] {
    let kept: unknown;
    try {
      const text = readFileSync(this.#commands, 'utf8');
      if (text.length > mostBytes) return [];
      kept = JSON.parse(text);
    } catch {
      return [];
    }
    const commands: ControlCommand[] = [];
    for (const entry of Array.isArray(kept) ? (kept as unknown[]) : []) {
      const command = isKept(entry)
        ? decodeCommand(entry[0], entry[1], new Uint8Array(Buffer.from(entry[2], 'base64')))
        : undefined;
      if (command !== undefined && (requiredFeatures(command) & ~features) === 0n) commands.push(command);
    }
    return commands;
  }

  /** The device is no more, and nobody goes on with it. */
  remove(): void {
    for (const path of [this.#journal, this.#commands]) rmSync(path, { force: true });
  }

  /** Lets go of the files, which stay. */
  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function isKept(entry: unknown): entry is KeptCommand {
  return (
    Array.isArray(entry) &&
    entry.length === 3 &&
    Number.isInteger(entry[0]) &&
    Number.isInteger(entry[1]) &&
    typeof entry[2] === 'string'
  );
}
