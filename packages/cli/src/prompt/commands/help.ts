import { type PromptCommand, type Section, sections } from '../command.ts';

const names = Object.keys(sections) as Section[];

/** `help`, of a table of commands. */
export function helpCommands(commands: () => readonly PromptCommand[]): readonly PromptCommand[] {
  return [
    {
      section: 'control',
      syntax: 'help',
      help: 'The sections of the help.',
      run: (session) => session.say(overview()),
    },
    {
      section: 'control',
      syntax: `help ${names.join('|')}|all`,
      help: 'The commands of a section.',
      run(session, args) {
        const wanted = names.filter((name) => args.text(0) === 'all' || name === args.text(0));
        session.say(wanted.map((name) => sectionText(name, commands())).join('\n'));
      },
    },
  ];
}

function overview(): string {
  const line = (name: string, what: string): string => `    help ${name.padEnd(26)}: ${what}`;
  return [
    '',
    'Help is available for the following sections:',
    '',
    ...names.map((name) => line(name, sections[name])),
    line('all', 'All of the above sections.'),
    '',
  ].join('\n');
}

function sectionText(section: Section, commands: readonly PromptCommand[]): string {
  const own = commands.filter((command) => command.section === section);
  return ['', sections[section], '', ...own.map(({ syntax, help }) => `  ${syntax}\n      ${help}`), ''].join(
    '\n',
  );
}
