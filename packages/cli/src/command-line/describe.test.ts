import { Command, Option } from 'commander';
import { describe, expect, it } from 'vitest';
import { describeCommand, withAllBelow } from './describe.ts';

function program(): Command {
  const top = new Command('top').description('all of it').version('1');
  top
    .command('go')
    .description('goes')
    .argument('<where>', 'to')
    .addOption(new Option('-f, --fast <how>', 'how fast').choices(['very', 'not']).default('not'))
    .option('--no-stop', 'goes on')
    .addHelpText('after', '\nOnce more.');
  top.command('group').command('inner');
  return top;
}

describe('a command line', () => {
  it('is described with all its commands, by their paths', () => {
    const paths = withAllBelow(describeCommand(program())).map(({ path }) => path);
    expect(paths).toEqual(['top', 'top go', 'top group', 'top group inner', 'top group help', 'top help']);
  });

  it('is described with options, arguments and what help says besides', () => {
    const [, go] = withAllBelow(describeCommand(program()));
    expect(go).toMatchObject({
      description: 'goes',
      arguments: [{ name: 'where', required: true, variadic: false, choices: [] }],
      options: [
        {
          names: ['-f', '--fast'],
          value: { name: 'how', choices: ['very', 'not'] },
          byDefault: 'not',
        },
        { names: ['--no-stop'], value: undefined, byDefault: undefined },
        { names: ['-h', '--help'] },
      ],
      notes: 'Once more.',
    });
  });
});
