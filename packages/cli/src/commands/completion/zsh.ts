import { type CommandModel, type OptionModel, withAllBelow } from '../../command-line/describe.ts';
import { plainWords, shellQuoted } from './words.ts';

/** For zsh: a function for each command, by `_arguments`. */
export function zshCompletion(program: CommandModel): string {
  const functions = withAllBelow(program).map((command) =>
    command.commands.length > 0 ? groupFunction(command) : leafFunction(command),
  );
  const { name } = program;
  return `#compdef ${name}
# zsh completion of ${name}, made by: ${name} completion zsh
${functions.join('\n')}
if [ "$funcstack[1]" = "_${name}" ]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

function leafFunction(command: CommandModel): string {
  const words = plainWords(command);
  const action = words.length > 0 ? `(${words.map(specText).join(' ')})` : '_files';
  const name = command.arguments[0]?.name;
  const plain = name === undefined ? [] : [shellQuoted(`*:${specText(name)}:${action}`)];
  return `${functionName(command)}() {
  _arguments ${[...command.options.flatMap(optionSpecs), ...plain].join(' \\\n    ')}
}`;
}

function groupFunction(command: CommandModel): string {
  const described = command.commands.map(({ name, description }) =>
    shellQuoted(`${name}:${description.replaceAll(':', '\\:')}`),
  );
  const calls = command.commands.map((below) => `      ${below.name}) ${functionName(below)} ;;`);
  const specs = [
    ...command.options.flatMap(optionSpecs),
    "'1:command:->command'",
    "'*::argument:->argument'",
  ];
  return `${functionName(command)}() {
  local curcontext="$curcontext" state line
  local -a commands=(
    ${described.join('\n    ')}
  )
  _arguments -C ${specs.join(' \\\n    ')}
  case "$state" in
    command) _describe command commands ;;
    argument) case "$line[1]" in
${calls.join('\n')}
    esac ;;
  esac
}`;
}

function optionSpecs({ names, description, value }: OptionModel): string[] {
  const action =
    value === undefined || value.choices.length === 0 ? '_files' : `(${value.choices.join(' ')})`;
  const taken = value === undefined ? '' : `:${specText(value.name)}:${action}`;
  return names.map((name) => shellQuoted(`${name}[${specText(description)}]${taken}`));
}

/** What would end a description, or a part of a specification. */
function specText(text: string): string {
  return text.replaceAll(/[\\:[\]]/g, '\\$&');
}

function functionName({ path }: CommandModel): string {
  return `_${path.replaceAll(' ', '_')}`;
}
