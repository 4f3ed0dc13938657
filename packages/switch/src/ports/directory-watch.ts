import { type FSWatcher, watch } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { switchError } from '../config/errors.ts';

/** Milliseconds that changes of a directory are collected. */
const settling = 50;
/** Milliseconds between two looks by itself, for file systems that tell nothing. */
const lookInterval = 5000;
/** Files that are looked at in one directory. */
const mostFiles = 8192;

/** Tells which sockets there are in a directory, whenever that changes. Links are not followed. */
export class DirectoryWatch {
  readonly #path: string;
  readonly #onSockets: (files: readonly string[]) => Promise<void>;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param onSockets is given the names of all of them, sorted; the next look waits for it */
  constructor(path: string, onSockets: (files: readonly string[]) => Promise<void>) {
    this.#path = path;
    this.#onSockets = onSockets;
  }

  /** Begins; the first look comes soon. @throws VioError VIO_SWITCH_DIRECTORY */
  async start(): Promise<void> {
    const stats = await lstat(this.#path).catch((cause: unknown) => {
      throw unusable(this.#path, 'cannot be looked at', cause);
    });
    if (!stats.isDirectory()) throw unusable(this.#path, 'is no directory');
    this.#watcher = watch(this.#path, () => this.#lookSoon());
    this.#watcher.on('error', () => this.#lookSoon());
    this.#timer = setInterval(() => this.#lookSoon(), lookInterval).unref();
    this.#lookSoon();
  }

  /** Nothing is told any more, but for what is being told. */
  close(): void {
    this.#closed = true;
    this.#watcher?.close();
    if (this.#timer !== undefined) clearInterval(this.#timer);
    if (this.#soon !== undefined) clearTimeout(this.#soon);
  }

  #lookSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      void this.#look();
    }, settling).unref();
  }

  #look(): Promise<void> {
    return (this.#looking = this.#lookAfter(this.#looking));
  }

  async #lookAfter(before: Promise<void>): Promise<void> {
    await before;
    const sockets = await socketsIn(this.#path);
    if (!this.#closed) await this.#onSockets(sockets);
  }
}

async function socketsIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const sockets: string[] = [];
  for (const entry of entries.slice(0, mostFiles)) {
    // What a file system does not say with the name is asked for.
    const isSocket =
      entry.isSocket() ||
      (!entry.isFile() &&
        !entry.isDirectory() &&
        !entry.isSymbolicLink() &&
        (await lstat(join(path, entry.name)).then(
          (stats) => stats.isSocket(),
          () => false,
        )));
    if (isSocket) sockets.push(entry.name);
  }
  return sockets.toSorted();
}

function unusable(path: string, what: string, cause?: unknown) {
  return switchError(
    'DIRECTORY',
    `${path} ${what}`,
    'name a directory that is there, and no link to one',
    cause,
  );
}
