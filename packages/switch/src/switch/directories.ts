import { join } from 'node:path';
import { VioError } from '@vio/native';
import { type DirectoryConfig, isSame, parsePort } from '../config/schema.ts';
import { DirectoryWatch } from '../ports/directory-watch.ts';
import type { PortTable } from './port-table.ts';
import type { TablePort } from './table-port.ts';

interface Watched {
  readonly config: DirectoryConfig;
  readonly watch: DirectoryWatch;
  /** Its ports, by the names of their sockets. */
  readonly ports: Map<string, TablePort>;
}

/** Directories in which every socket is a port while it is there. */
export class Directories {
  readonly #table: PortTable;
  readonly #inTurn: (action: () => Promise<void>) => Promise<void>;
  readonly #onTrouble: (port: string, what: string, reason: VioError) => void;
  readonly #byPath = new Map<string, Watched>();

  /** @param inTurn runs what changes ports, one after the other */
  constructor(
    table: PortTable,
    inTurn: (action: () => Promise<void>) => Promise<void>,
    onTrouble: (port: string, what: string, reason: VioError) => void,
  ) {
    this.#table = table;
    this.#inTurn = inTurn;
    this.#onTrouble = onTrouble;
  }

  has({ path }: DirectoryConfig): boolean {
    return this.#byPath.has(path);
  }

  /** Begins to watch a directory; its ports come soon. @throws VioError VIO_SWITCH_DIRECTORY */
  async watch(config: DirectoryConfig): Promise<void> {
    const watch = new DirectoryWatch(config.path, (files) =>
      this.#inTurn(async () => {
        // Nobody cares any more: it was taken out while this waited for its turn.
        if (this.#byPath.get(config.path) === watched) await this.#follow(watched, files);
      }),
    );
    const watched: Watched = { config, watch, ports: new Map() };
    this.#byPath.set(config.path, watched);
    await watch.start();
  }

  /** Leaves those alone that are among `wanted` as they are, and gives up the others with their ports. */
  async retain(wanted: readonly DirectoryConfig[]): Promise<void> {
    for (const [path, { config, watch, ports }] of this.#byPath) {
      if (wanted.some((other) => isSame(other, config))) continue;
      this.#byPath.delete(path);
      watch.close();
      for (const port of ports.values()) await this.#table.close(port);
    }
  }

  /** Nothing is watched any more. The ports stay. */
  close(): void {
    for (const { watch } of this.#byPath.values()) watch.close();
    this.#byPath.clear();
  }

  async #follow({ config: { path, ...rest }, ports }: Watched, files: readonly string[]): Promise<void> {
    for (const [file, port] of ports) {
      if (files.includes(file)) continue;
      ports.delete(file);
      await this.#table.close(port);
    }
    for (const file of files) {
      if (ports.has(file)) continue;
      const name = file.replace(/\.sock$/, '');
      try {
        const config = parsePort({ ...rest, name, socket: join(path, file) });
        ports.set(file, await this.#table.open(config, 'directory'));
      } catch (error) {
        if (!VioError.is(error)) throw error;
        this.#onTrouble(name, 'a socket of the directory is no port', error);
      }
    }
  }
}
