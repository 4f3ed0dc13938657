import { quoted } from '@vio/native/internal';
import { CommandArguments, type PromptCommand } from './command.ts';
import { nearest } from './nearest.ts';
import { type SyntaxPlace, type Vocabulary, expected, fits, offers, parseSyntax } from './syntax.ts';

interface Entry {
  readonly command: PromptCommand;
  readonly places: readonly SyntaxPlace[];
}

/** A line that is a command. */
export interface MatchedCommand {
  readonly command: PromptCommand;
  readonly args: CommandArguments;
}

/** Syntaxes that are shown of those that a wrong line was nearest to. */
const mostHints = 6;

/** Finds the command that a line is, and what it could become. */
export class Matcher {
  readonly #entries: readonly Entry[];

  constructor(commands: readonly PromptCommand[]) {
    this.#entries = commands.map((command) => ({ command, places: parseSyntax(command.syntax) }));
  }

  /** @returns the command, or what is wrong with the line: testpmd's words, and below what is near */
  match(line: string, known: Vocabulary): MatchedCommand | string {
    const words = wordsOf(line);
    for (const { command, places } of this.#entries) {
      const needed = places.filter(({ optional }) => !optional).length;
      if (words.length < needed || words.length > places.length) continue;
      if (!words.every((word, i) => fits(places[i], word, known))) continue;
      return { command, args: new CommandArguments(words.filter((_, i) => places[i].argument)) };
    }
    return this.#complain(words, known);
  }

  /**
   * Completes the last word of a line, as `readline` asks for it.
   * @returns all that it could be, and the part of the line that they replace
   */
  complete(line: string, known: Vocabulary): [string[], string] {
    const words = line.trimStart().split(/\s+/);
    const begun = words.at(-1) ?? '';
    const before = words.slice(0, -1);
    const found = new Set<string>();
    for (const { places } of this.#entries) {
      if (places.length < words.length || !before.every((word, i) => fits(places[i], word, known))) continue;
      for (const offer of offers(places[before.length], known)) if (offer.startsWith(begun)) found.add(offer);
    }
    const all = [...found].toSorted();
    return [all.length === 1 ? [`${all[0]} `] : all, begun];
  }

  #complain(words: readonly string[], known: Vocabulary): string {
    let most = 0;
    let near: Entry[] = [];
    for (const entry of this.#entries) {
      const reach = reachOf(entry.places, words, known);
      if (reach > most) near = [];
      most = Math.max(most, reach);
      if (reach === most) near.push(entry);
    }
    const wrong = words[most];
    if (most === 0) {
      const hint = nearest(wrong, [...new Set(this.#entries.map(({ places }) => places[0].words[0]))]);
      return `Command not found\n  ${hint === undefined ? 'help lists the commands' : `did you mean ${hint}?`}`;
    }
    const places = near.map((entry) => entry.places[most]).filter((place) => place !== undefined);
    const wanted = [...new Set(places.map(expected))];
    const offered = [...new Set(places.flatMap((place) => offers(place, known)))];
    const meant = wrong === undefined ? undefined : nearest(wrong, offered);
    const what =
      wrong === undefined ? `more is expected behind ${quoted(words.join(' '))}` : `near ${quoted(wrong)}`;
    const instead = wanted.length === 0 ? 'nothing more is expected' : wanted.slice(0, mostHints).join(', ');
    return [
      'Bad arguments',
      `  ${what}${wrong === undefined ? '' : `: ${instead}`}${meant === undefined ? '' : `; did you mean ${meant}?`}`,
      ...near.slice(0, mostHints).map(({ command }) => `  ${command.syntax}`),
    ].join('\n');
  }
}

/** How many of the words, from the first on, a command has as well. */
function reachOf(places: readonly SyntaxPlace[], words: readonly string[], known: Vocabulary): number {
  let reach = 0;
  while (reach < words.length && reach < places.length && fits(places[reach], words[reach], known)) reach++;
  return reach;
}

/** The words of a line; none: it is empty, or a remark. */
export function wordsOf(line: string): string[] {
  const text = line.trim();
  return text === '' || text.startsWith('#') ? [] : text.split(/\s+/);
}
