import type { CommandArguments, PromptCommand } from '../command.ts';
import type { PortSlot } from '../../ports/port-slot.ts';
import { CommandFailure, type PromptSession } from '../session.ts';

/** `port ...`: ports as such. */
export const portCommands: readonly PromptCommand[] = [
  {
    section: 'ports',
    syntax: 'port start <ports>',
    help: 'Let packets pass again, with what has been configured meanwhile.',
    run: (session, args) => each(session, args.text(0), '', startPort),
  },
  {
    section: 'ports',
    syntax: 'port stop <ports>',
    help: 'Let no packets pass; nothing is closed.',
    run: (session, args) => each(session, args.text(0), 'Stopping ports...', stopPort),
  },
  {
    section: 'ports',
    syntax: 'port reset <ports>',
    help: 'Close stopped ports and open them anew; they are stopped still.',
    run(session, args) {
      if (session.named(args.text(0)).some(({ started }) => started))
        throw new CommandFailure('Can not reset port(s), please stop port(s) first.');
      return each(session, args.text(0), 'Resetting ports...', resetPort);
    },
  },
  {
    section: 'ports',
    syntax: 'port close <ports>',
    help: 'Close stopped ports; port start opens them again.',
    run: (session, args) => each(session, args.text(0), 'Closing ports...', closePort),
  },
  {
    section: 'ports',
    syntax: 'port attach <device>',
    help: 'One more port; port start lets packets pass.',
    async run(session, args) {
      session.say('Attaching a new port...');
      const { number } = await session.attach(args.text(0));
      session.say(`Port ${number} is attached. Now total ports is ${session.slots.length}\nDone`);
    },
  },
  {
    section: 'ports',
    syntax: 'port detach <port>',
    help: 'Take a stopped port away; the others keep their numbers.',
    async run(session, args) {
      const slot = session.slot(args.number(0));
      session.whileNotForwarding(slot);
      session.whileStopped(slot);
      session.say('Removing a device...');
      await session.detach(slot);
      session.say(`Port ${slot.number} is detached. Now total ports is ${session.slots.length}\nDone`);
    },
  },
  {
    section: 'ports',
    syntax: 'port config mtu <port> <mtu>',
    help: 'The largest packet, in bytes behind the Ethernet header.',
    run: setMtu,
  },
  {
    section: 'ports',
    syntax: 'port config <port> mtu <mtu>',
    help: 'The same.',
    run: setMtu,
  },
  {
    section: 'ports',
    syntax: 'port config all rxq|txq <queues>',
    help: 'Queue pairs of stopped ports, from their start on.',
    run: (session, args) => configure(session, (slot) => slot.configure({ pairs: args.number(1) })),
  },
  {
    section: 'ports',
    syntax: 'port config all rxd|txd <descriptors>',
    help: 'Descriptors of the rings of stopped ports, from their start on.',
    run: (session, args) =>
      configure(session, (slot) => {
        const size = args.number(1);
        slot.configure(args.text(0) === 'rxd' ? { rxQueueSize: size } : { txQueueSize: size });
      }),
  },
  {
    section: 'ports',
    syntax: 'port <port> rxq|txq <queue> start|stop',
    help: 'Start or stop one queue.',
    async run(session, args) {
      const port = session.opened(session.slot(args.number(0)));
      const name = { direction: args.text(1) === 'rxq' ? 'rx' : 'tx', queue: args.number(2) } as const;
      await (args.text(3) === 'start' ? port.startQueue(name) : port.stopQueue(name));
    },
  },
];

async function each(
  session: PromptSession,
  ports: string,
  title: string,
  act: (session: PromptSession, slot: PortSlot) => Promise<void>,
): Promise<void> {
  if (title !== '') session.say(title);
  for (const slot of session.named(ports)) await act(session, slot);
  session.say('Done');
}

async function startPort(session: PromptSession, slot: PortSlot): Promise<void> {
  if (slot.started) return;
  if (slot.changed) {
    session.whileNotForwarding(slot);
    await session.reopen(slot);
  } else await slot.start();
  session.say(`Port ${slot.number}: ${session.opened(slot).mac.toUpperCase()}\nChecking link statuses...`);
}

async function stopPort(session: PromptSession, slot: PortSlot): Promise<void> {
  session.whileNotForwarding(slot);
  if (slot.started) await slot.stop();
  session.say('Checking link statuses...');
}

async function resetPort(session: PromptSession, slot: PortSlot): Promise<void> {
  session.whileNotForwarding(slot);
  await session.reopen(slot);
  // As there: it is stopped still.
  await slot.stop();
}

async function closePort(session: PromptSession, slot: PortSlot): Promise<void> {
  if (slot.started) throw new CommandFailure(`Cannot close started device (port ${slot.number})`);
  session.whileNotForwarding(slot);
  await session.close(slot);
  session.say(`Port ${slot.number} is closed`);
}

async function setMtu(session: PromptSession, args: CommandArguments): Promise<void> {
  const slot = session.slot(args.number(0));
  const mtu = args.number(1);
  await session.opened(slot).setMtu(mtu, { signal: session.signal });
  session.settings(slot).mtu = mtu;
}

function configure(session: PromptSession, change: (slot: PortSlot) => void): void {
  for (const slot of session.slots) session.whileStopped(slot);
  for (const slot of session.slots) change(slot);
}
