import type { Command } from 'commander';
import { type CommandModel, describeCommand } from '../../command-line/describe.ts';
import { bashCompletion } from './bash.ts';
import { fishCompletion } from './fish.ts';
import type { Shell } from './options.ts';
import { zshCompletion } from './zsh.ts';

const writers: Readonly<Record<Shell, (command: CommandModel) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

/** The script that completes a program in a shell. */
export function completion(program: Command, shell: Shell): string {
  return writers[shell](describeCommand(program));
}
