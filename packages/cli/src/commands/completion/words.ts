import type { CommandModel, OptionModel } from '../../command-line/describe.ts';

/** What may stand where no option does: commands, or the values of the first argument that has some; empty: files. */
export function plainWords({ commands, arguments: taken }: CommandModel): readonly string[] {
  if (commands.length > 0) return commands.map(({ name }) => name);
  return taken.find(({ choices }) => choices.length > 0)?.choices ?? [];
}

export function optionWords(options: readonly OptionModel[]): string[] {
  return options.flatMap(({ names }) => names);
}

/** A text in single quotes of a POSIX shell. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
