import type { Command, Option } from 'commander';

/** A value that an option or argument takes. */
export interface ValueModel {
  /** As in `<file>`. */
  readonly name: string;
  /** All there are; empty: anything. */
  readonly choices: readonly string[];
}

/** An option of a command. */
export interface OptionModel {
  /** As in `--pcap <file>`. */
  readonly flags: string;
  /** As in `--pcap`, or `-V` as well. */
  readonly names: readonly string[];
  readonly description: string;
  /** Undefined: it takes none. */
  readonly value: ValueModel | undefined;
  /** For a person; undefined: none worth telling. */
  readonly byDefault: string | undefined;
}

/** An argument of a command. */
export interface ArgumentModel extends ValueModel {
  readonly description: string;
  readonly required: boolean;
  readonly variadic: boolean;
}

/** A command as it was declared: what help, completions and the man page say is made of this. */
export interface CommandModel {
  /** As in `vio switch run`. */
  readonly path: string;
  readonly name: string;
  readonly description: string;
  readonly usage: string;
  readonly options: readonly OptionModel[];
  readonly arguments: readonly ArgumentModel[];
  readonly commands: readonly CommandModel[];
  /** What its help says besides. */
  readonly notes: string;
}

/** Describes a command and those below it. @param above path of the group it is in, with a space behind it */
export function describeCommand(command: Command, above = ''): CommandModel {
  const help = command.createHelp();
  const path = above + command.name();
  return {
    path,
    name: command.name(),
    description: command.description(),
    usage: help.commandUsage(command),
    options: help.visibleOptions(command).map(describeOption),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      description: argument.description,
      required: argument.required,
      variadic: argument.variadic,
      choices: argument.argChoices ?? [],
    })),
    commands: help.visibleCommands(command).map((below) => describeCommand(below, `${path} `)),
    notes: notesOf(command),
  };
}

/** The command and all below it, from the top. */
export function withAllBelow(command: CommandModel): CommandModel[] {
  return [command, ...command.commands.flatMap(withAllBelow)];
}

function describeOption(option: Option): OptionModel {
  const { flags, short, long, description, required, optional, argChoices, defaultValue, negate } = option;
  const name = /[<[]([^>\]]+)/.exec(flags)?.[1] ?? 'value';
  const plain = typeof defaultValue === 'string' || typeof defaultValue === 'number';
  return {
    flags,
    names: [short, long].filter((each) => each !== undefined),
    description,
    value: required || optional ? { name, choices: argChoices ?? [] } : undefined,
    byDefault: plain && !negate ? String(defaultValue) : undefined,
  };
}

/** What was added behind the help that commander makes. */
function notesOf(command: Command): string {
  let all = '';
  const output = command.configureOutput();
  command.configureOutput({ ...output, writeOut: (text) => (all += text) });
  command.outputHelp();
  command.configureOutput(output);
  return all.slice(command.helpInformation().length).trim();
}
