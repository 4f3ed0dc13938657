import { Argument, type Command } from 'commander';
import { type Shell, shells } from './options.ts';

/** `vio completion SHELL`: a script by which a shell completes `vio`, made of the commands as they are declared. */
export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description('write a script by which a shell completes commands, options and their values')
    .addArgument(new Argument('<shell>', 'which').choices(shells))
    .addHelpText(
      'after',
      `
bash  source <(vio completion bash), or into /etc/bash_completion.d/vio
zsh   vio completion zsh > a file _vio in a directory of $fpath
fish  vio completion fish > ~/.config/fish/completions/vio.fish`,
    )
    .action(async (shell: Shell) => {
      const { completion } = await import('./completion.ts');
      process.stdout.write(completion(program, shell));
    });
}
