import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { switchError } from '../config/errors.ts';
import { type PortConfig, parsePort } from '../config/schema.ts';

/** What outlives a switch: the ports that were added while it ran, and which ports had somebody at their other end. */
export interface SwitchState {
  readonly ports: readonly PortConfig[];
  readonly connected: readonly string[];
}

const schema = z.object({
  version: z.literal(1),
  ports: z.array(z.unknown()),
  connected: z.array(z.string()),
});

export const emptyState: SwitchState = { ports: [], connected: [] };

/** The file of a switch's state. It is replaced as a whole: whoever reads it finds one state or the next. */
export class StateFile {
  readonly #path: string;
  #next: (() => SwitchState) | undefined;
  /** Until it is written. */
  #scheduled: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /** @returns an empty state when there is none @throws VioError VIO_SWITCH_STATE */
  async read(): Promise<SwitchState> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return emptyState;
      throw unusable(this.#path, 'cannot be read', cause);
    }
    try {
      const { ports, connected } = schema.parse(JSON.parse(text));
      return { ports: ports.map((port, i) => parsePort(port, `ports[${i}]`)), connected };
    } catch (cause) {
      throw unusable(this.#path, 'is damaged', cause);
    }
  }

  /**
   * Writes a state; several that are asked for while one is written become one.
   * @param state is asked for when it is written @throws VioError VIO_SWITCH_STATE
   */
  write(state: () => SwitchState): Promise<void> {
    this.#next = state;
    this.#scheduled ??= this.#writeNext(this.#writing);
    return this.#scheduled;
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    await this.#scheduled?.catch(() => {});
    await this.#writing;
  }

  async #writeNext(before: Promise<void>): Promise<void> {
    await before;
    const state = this.#next;
    this.#scheduled = undefined;
    if (state === undefined) return;
    const written = this.#replace(state());
    this.#writing = written.catch(() => {});
    await written;
  }

  async #replace(state: SwitchState): Promise<void> {
    const temporary = `${this.#path}.${process.pid}.tmp`;
    try {
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(`${JSON.stringify({ version: 1, ...state })}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
      const directory = await open(dirname(this.#path), 'r');
      await directory.sync().finally(() => directory.close());
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => {});
      throw unusable(this.#path, 'cannot be written', cause);
    }
  }
}

function unusable(path: string, what: string, cause: unknown) {
  return switchError(
    'STATE',
    `the state file ${path} ${what}`,
    'see the cause; without the file the switch starts with the ports of its configuration alone',
    cause,
  );
}
