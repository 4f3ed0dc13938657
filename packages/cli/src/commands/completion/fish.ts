import { type CommandModel, type OptionModel, withAllBelow } from '../../command-line/describe.ts';
import { plainWords } from './words.ts';

/** For fish: a line for each command, option and value. */
export function fishCompletion(program: CommandModel): string {
  const { name } = program;
  const all = withAllBelow(program);
  const paths = all.slice(1).map(({ path }) => quoted(path));
  return `# fish completion of ${name}, made by: ${name} completion fish
function __${name}_command
  set -l command ${name}
  set -l tokens (commandline -opc)
  for token in $tokens[2..-1]
    contains -- "$command $token" ${paths.join(' ')}; and set command "$command $token"
  end
  echo $command
end
${all.flatMap((command) => lines(name, command)).join('\n')}
`;
}

function lines(program: string, command: CommandModel): string[] {
  const condition = `test (__${program}_command) = ${quoted(command.path)}`;
  const start = `complete -c ${program} -n ${quoted(condition)}`;
  const commands = command.commands.map(
    ({ name, description }) => `${start} -f -a ${quoted(name)} -d ${quoted(description)}`,
  );
  const words = command.commands.length > 0 ? [] : plainWords(command);
  return [
    ...commands,
    ...(words.length > 0 ? [`${start} -f -a ${quoted(words.join(' '))}`] : []),
    ...command.options.map((option) => `${start} ${optionArguments(option)}`),
  ];
}

function optionArguments({ names, description, value }: OptionModel): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  const taken =
    value === undefined
      ? []
      : value.choices.length === 0
        ? ['-r']
        : ['-x', `-a ${quoted(value.choices.join(' '))}`];
  return [...flags, ...taken, `-d ${quoted(description)}`].join(' ');
}

/** In single quotes of fish. */
function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
}
