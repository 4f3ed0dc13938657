import { readFile } from 'node:fs/promises';
import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { VioError } from '@vio/native';
import { Matcher, wordsOf } from './matcher.ts';
import { CommandFailure, type PromptSession } from './session.ts';
import { promptCommands } from './table.ts';

/** What became of a line: carried out; refused by whoever should do it; or no command. */
export type Outcome = 'done' | 'failed' | 'wrong';

/** Loads within loads. */
const mostDepth = 16;

/** Carries out lines, one after the other, and remembers whether one of them was wrong. */
export class Interpreter {
  readonly #session: PromptSession;
  readonly #matcher = new Matcher(promptCommands);
  #depth = 0;
  /** The first that was not carried out. */
  #worst: Outcome = 'done';

  constructor(session: PromptSession) {
    this.#session = session;
  }

  /** What the first line came to that was not carried out. */
  get outcome(): Outcome {
    return this.#worst;
  }

  /** What the last word of a line can become, for `readline`. */
  complete(line: string): [string[], string] {
    return this.#matcher.complete(line, this.#session.vocabulary);
  }

  /** @param place in front of what is said of a line that is wrong, as in `file:3: ` */
  async execute(line: string, place = ''): Promise<Outcome> {
    if (wordsOf(line).length === 0) return 'done';
    const outcome = await this.#carryOut(line, place);
    if (this.#worst === 'done') this.#worst = outcome;
    return outcome;
  }

  /**
   * Carries out the lines of a file, up to its end or `quit`. One that is wrong is told with its number, and the next one follows.
   * @throws CommandFailure when the file cannot be read
   */
  async load(file: string): Promise<void> {
    if (this.#depth === mostDepth) throw new CommandFailure(`${file}: files load each other`);
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      throw new CommandFailure(
        `Failed to open file ${file}: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
    this.#depth++;
    try {
      for (const [i, line] of text.split('\n').entries()) {
        if (this.#session.quitting || this.#session.signal.aborted) return;
        await this.execute(line, `${file}:${i + 1}: `);
        // Packets go on between two lines, and somebody may want an end.
        await turnOfLoop();
      }
    } finally {
      this.#depth--;
    }
    this.#session.say(`Read CLI commands from ${file}`);
  }

  /** Carries out a file, whatever its name is; one that cannot be read has failed. */
  async script(file: string): Promise<void> {
    const outcome = await this.#attempt('', () => this.load(file));
    if (this.#worst === 'done') this.#worst = outcome;
  }

  async #carryOut(line: string, place: string): Promise<Outcome> {
    const session = this.#session;
    const found = this.#matcher.match(line, session.vocabulary);
    if (typeof found === 'string') {
      session.say(place + found);
      return 'wrong';
    }
    return this.#attempt(place, () => found.command.run(session, found.args));
  }

  async #attempt(place: string, action: () => Promise<void> | void): Promise<Outcome> {
    const session = this.#session;
    try {
      await action();
      return 'done';
    } catch (error) {
      if (error instanceof CommandFailure) session.say(place + error.message);
      else if (VioError.is(error))
        session.say(`${place}${error.message} (${error.code})\n  remedy: ${error.remedy}`);
      else throw error;
      return 'failed';
    }
  }
}
