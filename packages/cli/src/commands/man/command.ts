import type { Command } from 'commander';

/** `vio man`: the man page, made of the commands as they are declared. */
export function addManCommand(program: Command): void {
  program
    .command('man')
    .description('write the man page of all commands: vio man | man -l -')
    .action(async () => {
      const { manPage } = await import('./man.ts');
      process.stdout.write(manPage(program));
    });
}
