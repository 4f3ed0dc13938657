import type { Command } from 'commander';

/** `vio example [NAME] [DIRECTORY]`: gives an example as a folder of its own, to go on with. */
export function addExampleCommand(program: Command): void {
  program
    .command('example')
    .description('copy an example into a folder of its own, which installs and runs anywhere')
    .argument('[name]', 'which; without, they are listed')
    .argument('[directory]', 'where to; by default ./NAME')
    .addHelpText('after', '\nThen, in that folder: npm install && npm start')
    .action(async (name: string | undefined, directory: string | undefined) => {
      const { example, listExamples } = await import('./example.ts');
      if (name === undefined) listExamples();
      else example(name, directory ?? name);
    });
}
