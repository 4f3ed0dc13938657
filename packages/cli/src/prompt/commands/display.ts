import type { CommandArguments, PromptCommand } from '../command.ts';
import { CommandFailure, type PromptSession } from '../session.ts';
import { forwardConfigText, rxtxConfigText } from '../text/forward-config.ts';
import { forwardStatsText } from '../text/forward-stats.ts';
import { portInfo, portSummary } from '../text/port-info.ts';
import { portStatsText, xstatsText } from '../text/port-stats.ts';
import { queueInfo } from '../text/queue-info.ts';

/** `show ...` and `clear ...`. */
export const displayCommands: readonly PromptCommand[] = [
  {
    section: 'display',
    syntax: 'show port info|stats|xstats|summary <ports>',
    help: 'What a port is; its statistics; all of its counters; a line for each port.',
    run: showPorts,
  },
  {
    section: 'display',
    syntax: 'clear port info|stats|xstats <ports>',
    help: 'Let the statistics of a port begin at 0.',
    run: clearPorts,
  },
  {
    section: 'display',
    syntax: 'show rxq|txq info <port> <queue>',
    help: 'Ring, path and state of a queue.',
    run(session, args) {
      const slot = session.slot(args.number(1));
      const direction = args.text(0) === 'rxq' ? 'rx' : 'tx';
      const queue = args.number(2);
      const text = queueInfo(session.opened(slot), slot.number, direction, queue);
      if (text === undefined) {
        const name = direction.toUpperCase();
        throw new CommandFailure(
          `Failed to retrieve information for port: ${slot.number}, ${name} queue: ${queue}`,
        );
      }
      session.say(text);
    },
  },
  {
    section: 'display',
    syntax: 'show port <port> macs',
    help: 'Addresses that are received.',
    run(session, args) {
      const slot = session.slot(args.number(0));
      const macs = [session.opened(slot).mac, ...session.settings(slot).macs];
      session.say(
        [`Number of MAC address added: ${macs.length}`, ...macs.map((mac) => `  ${mac.toUpperCase()}`)].join(
          '\n',
        ),
      );
    },
  },
  {
    section: 'display',
    syntax: 'show fwd stats all',
    help: 'What was forwarded since it began.',
    run: (session) => session.say(forwardStatsText(session.forwarded, session.datapath.streams)),
  },
  {
    section: 'display',
    syntax: 'clear fwd stats all',
    help: 'Let the statistics of forwarding begin at 0.',
    run: (session) => session.clearForwardStats(),
  },
  {
    section: 'display',
    syntax: 'show config rxtx|fwd|cores|txpkts',
    help: 'How packets are forwarded, and by which threads.',
    run: (session, args) => session.say(configText(session, args.text(0))),
  },
];

function showPorts(session: PromptSession, args: CommandArguments): void {
  const [what, slots] = [args.text(0), session.named(args.text(1))];
  if (what === 'summary') {
    const open = slots.filter(({ port }) => port !== undefined);
    session.say(
      portSummary(
        open.map((slot) => session.view(slot)),
        session.slots.length,
      ),
    );
    return;
  }
  for (const slot of slots) {
    if (what === 'info') session.say(portInfo(session.view(slot)));
    else if (what === 'xstats') session.say(xstatsText(slot.number, session.datapath.stats(slot.number)));
    else {
      const now = { at: performance.now(), values: session.datapath.stats(slot.number) };
      const settings = session.settings(slot);
      session.say(portStatsText(slot.number, now, settings.shown));
      settings.shown = now;
    }
  }
}

function clearPorts(session: PromptSession, args: CommandArguments): void {
  for (const slot of session.named(args.text(1))) {
    const settings = session.settings(slot);
    const before = session.datapath.stats(slot.number);
    session.datapath.resetStats(slot.number);
    settings.shown = undefined;
    // What was forwarded is counted on.
    const less: Record<string, number> = {};
    for (const [name, value] of Object.entries(before)) less[name] = (settings.base[name] ?? 0) - value;
    settings.base = less;
    if (args.text(0) === 'stats') session.say(`\n  NIC statistics for port ${slot.number} cleared`);
  }
}

function configText(session: PromptSession, what: string): string {
  const { datapath, segments } = session;
  if (what === 'rxtx') return rxtxConfigText(session);
  if (what === 'fwd') return forwardConfigText(session);
  if (what === 'cores')
    return `List of forwarding lcores:  ${Array.from({ length: datapath.threads }, (_, i) => i).join(' ')}`;
  return [
    `Number of segments: ${segments.length}`,
    `Segment sizes: ${segments.join(',')}`,
    'Split packet: off',
  ].join('\n');
}
