import type { PromptCommand } from '../command.ts';
import type { PromptSession } from '../session.ts';
import { forwardStatsText } from '../text/forward-stats.ts';
import { forwardConfigText, rxtxConfigText } from '../text/forward-config.ts';

/** `start`, `stop` and what ends the program. */
export const controlCommands: readonly PromptCommand[] = [
  {
    section: 'control',
    syntax: 'start',
    help: 'Start packet forwarding with the current configuration.',
    run: (session) => start(session, 0),
  },
  {
    section: 'control',
    syntax: 'start tx_first [<count>]',
    help: 'The same, behind so many bursts on every queue.',
    run: (session, args) => start(session, Number(args.get(0) ?? 1)),
  },
  {
    section: 'control',
    syntax: 'stop',
    help: 'Stop packet forwarding, and show its statistics.',
    async run(session) {
      const running = session.datapath.running;
      if (running) session.say('Telling cores to stop...\nWaiting for lcores to finish...');
      await session.stop();
      session.say(`${forwardStatsText(session.forwarded, session.datapath.streams)}\n\nDone.`);
    },
  },
  {
    section: 'control',
    syntax: 'load <file>',
    help: 'Carry out the commands of a file.',
    run: (session, args) => session.load(args.text(0)),
  },
  {
    section: 'control',
    syntax: 'quit',
    help: 'Stop forwarding, close the ports and leave.',
    run(session) {
      session.quitting = true;
    },
  },
];

async function start(session: PromptSession, txFirst: number): Promise<void> {
  await session.start(txFirst);
  session.say([forwardConfigText(session), '', rxtxConfigText(session)].join('\n'));
}
