import type { PromptSession } from './session.ts';

/** The sections of the help, as testpmd has them. */
export const sections = {
  control: 'Start and stop forwarding.',
  display: 'Displaying port, stats and config information.',
  config: 'Configuration information.',
  ports: 'Configuring ports.',
} as const;

export type Section = keyof typeof sections;

/** The arguments of a command, from 0, as its syntax says. */
export class CommandArguments {
  readonly #words: readonly string[];

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  /** Undefined: it was left out. */
  get(at: number): string | undefined {
    return this.#words[at];
  }

  text(at: number): string {
    const word = this.#words[at];
    if (word === undefined) throw new RangeError(`there is no argument ${at}`);
    return word;
  }

  number(at: number): number {
    return Number(this.text(at));
  }

  isOn(at: number): boolean {
    return this.text(at) === 'on';
  }
}

/** A command of the prompt: from the table of these follow what is carried out, completed and explained. */
export interface PromptCommand {
  readonly section: Section;
  /** See `parseSyntax`. */
  readonly syntax: string;
  readonly help: string;
  run(session: PromptSession, args: CommandArguments): Promise<void> | void;
}
