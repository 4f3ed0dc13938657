import type { Command } from 'commander';
import {
  type CommandModel,
  type OptionModel,
  describeCommand,
  withAllBelow,
} from '../../command-line/describe.ts';
import { version } from '../../version.ts';

/** The man page of a program, in the macros of man(7). */
export function manPage(program: Command): string {
  const model = describeCommand(program);
  const below = withAllBelow(model)
    .slice(1)
    .filter(({ name }) => name !== 'help');
  return (
    [
      `.TH ${model.name.toUpperCase()} 1 "" "${model.name} ${version}" "User Commands"`,
      '.SH NAME',
      `${model.name} \\- ${escaped(model.description)}`,
      '.SH SYNOPSIS',
      ...below
        .filter(({ commands }) => commands.length === 0)
        .flatMap(({ usage }) => ['.B ' + escaped(usage), '.br']),
      '.SH DESCRIPTION',
      'Each command is described below.',
      ...options(model.options),
      ...verbatim(model.notes),
      '.SH COMMANDS',
      ...below.flatMap(command),
    ].join('\n') + '\n'
  );
}

function command({
  path,
  usage,
  description,
  arguments: taken,
  options: own,
  notes,
}: CommandModel): string[] {
  return [
    `.SS ${escaped(path)}`,
    `.B ${escaped(usage)}`,
    '.PP',
    line(`${description}.`),
    ...taken
      .filter(({ description: what }) => what !== '')
      .flatMap(({ name, description: what }) => ['.TP', `.I ${escaped(name)}`, line(what)]),
    ...options(own),
    ...verbatim(notes),
  ];
}

function options(all: readonly OptionModel[]): string[] {
  return all.flatMap(({ flags, description, value, byDefault }) => {
    const choices =
      value === undefined || value.choices.length === 0 ? '' : ` One of ${value.choices.join(', ')}.`;
    const usual = byDefault === undefined ? '' : ` Default: ${byDefault}.`;
    return ['.TP', `.B ${escaped(flags)}`, line(`${description}.${choices}${usual}`)];
  });
}

/** Lines that stay as they are. */
function verbatim(text: string): string[] {
  return text === '' ? [] : ['.PP', '.nf', ...text.split('\n').map(line), '.fi'];
}

/** A line that is no request, whatever it begins with. */
function line(text: string): string {
  const safe = escaped(text);
  return /^[.']/.test(safe) ? `\\&${safe}` : safe;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-');
}
