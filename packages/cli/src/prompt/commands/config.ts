import { macToBytes } from '@vio/net';
import { leastFrame, mostFrame, mostSegments } from '../../forward/frame-limits.ts';
import { type ForwardMode, forwardModes } from '../../forward/mode-names.ts';
import { longestRetry } from '../../forward/send-again.ts';
import type { CommandArguments, PromptCommand } from '../command.ts';
import { CommandFailure, type PromptSession } from '../session.ts';
import { changeVlans } from '../vlans.ts';

/** What is done with packets, and what ports receive. */
export const configCommands: readonly PromptCommand[] = [
  {
    section: 'config',
    syntax: `set fwd ${forwardModes.join('|')} [retry]`,
    help: 'The forwarding mode; from the next start on. retry: packets for which there is no room are offered again.',
    run(session, args) {
      const name = args.text(0);
      const mode = forwardModes.find((each) => each === name) as ForwardMode;
      session.mode = mode;
      session.retrying = args.get(1) !== undefined;
      session.say(`Set ${mode} packet forwarding mode${session.retrying ? ' with retry' : ''}`);
    },
  },
  {
    section: 'config',
    syntax: 'set txpkts <lengths>',
    help: 'Bytes of each segment of the packets that txonly and flowgen send; from the next start on.',
    run(session, args) {
      const segments = args.text(0).split(',').map(Number);
      const total = segments.reduce((all, one) => all + one, 0);
      if (segments.includes(0)) throw new CommandFailure('a segment has a byte at least - give up');
      if (total < leastFrame)
        throw new CommandFailure(`total packet length=${total} < ${leastFrame} - give up`);
      if (total > mostFrame)
        throw new CommandFailure(`total packet length=${total} > ${mostFrame} - give up`);
      if (segments.length > mostSegments)
        throw new CommandFailure(`nb segments per TX packets=${segments.length} > ${mostSegments} - give up`);
      session.segments = segments;
    },
  },
  {
    section: 'config',
    syntax: 'set burst <burst>',
    help: 'Packets per burst; from the next start on.',
    run(session, args) {
      session.burst = args.number(0);
      session.say(`Number of packets per burst set to ${session.burst}`);
    },
  },
  {
    section: 'config',
    syntax: 'set burst tx delay <delay> retry <retries>',
    help: 'How retry works: microseconds before each time, and how often; from the next start on.',
    run(session, args) {
      const retry = { delay: args.number(0), times: args.number(1) };
      if (retry.delay * retry.times > longestRetry)
        throw new CommandFailure(
          `delay=${retry.delay} * retry=${retry.times} > ${longestRetry} microseconds - give up`,
        );
      session.retry = retry;
    },
  },
  {
    section: 'config',
    syntax: 'set promisc|allmulti <ports> on|off',
    help: 'Receive packets whoever they are addressed to; all multicast packets.',
    run: setMode,
  },
  {
    section: 'config',
    syntax: 'mac_addr add|remove <port> <mac>',
    help: 'Receive packets to one more address, or no longer.',
    run: changeMacs,
  },
  {
    section: 'config',
    syntax: 'mac_addr set <port> <mac>',
    help: "The port's own address.",
    run: (session, args) =>
      session.opened(session.slot(args.number(0))).control.setMac(args.text(1), { signal: session.signal }),
  },
  {
    section: 'config',
    syntax: 'set eth-peer <port> <mac>',
    help: 'The address behind a port, for the modes mac and csum; from the next start on.',
    run(session, args) {
      session.peers.set(args.number(0), macToBytes(args.text(1)));
    },
  },
  {
    section: 'config',
    syntax: 'rx_vlan add|rm <vlans> <port>',
    help: 'Receive a VLAN, or no longer; all: each from 0 to 4095.',
    run(session, args) {
      const slot = session.slot(args.number(2));
      const { control } = session.opened(slot);
      const { vlans } = session.settings(slot);
      return changeVlans(control, args.text(0), args.text(1), vlans, { signal: session.signal });
    },
  },
  {
    section: 'config',
    syntax: 'tx_vlan set <port> <vlan>',
    help: 'Put packets that leave by a port into a VLAN, except those that are sent as they came; from the next start on.',
    async run(session, args) {
      const slot = session.slot(args.number(0));
      await session.opened(slot).setVlanOffload({ insert: true }, { signal: session.signal });
      session.settings(slot).txVlan = args.number(1);
    },
  },
  {
    section: 'config',
    syntax: 'tx_vlan reset <port>',
    help: 'Put them into none; from the next start on.',
    async run(session, args) {
      const slot = session.slot(args.number(0));
      await session.opened(slot).setVlanOffload({ insert: false }, { signal: session.signal });
      session.settings(slot).txVlan = undefined;
    },
  },
  {
    section: 'config',
    syntax: 'vlan set strip|filter on|off <port>',
    help: 'Take VLAN tags off; receive only the VLANs of rx_vlan.',
    async run(session, args) {
      const port = session.opened(session.slot(args.number(2)));
      const what = args.text(0) === 'strip' ? 'strip' : 'filter';
      await port.setVlanOffload({ [what]: args.isOn(1) }, { signal: session.signal });
    },
  },
  {
    section: 'config',
    syntax: 'set link-up|link-down port <port>',
    help: 'Let packets pass a port, or none: its link is down.',
    run: (session, args) => session.slot(args.number(1)).setLink(args.text(0) === 'link-up'),
  },
];

async function setMode(session: PromptSession, args: CommandArguments): Promise<void> {
  const on = args.isOn(2);
  const wait = { signal: session.signal };
  for (const slot of session.named(args.text(1))) {
    const { control } = session.opened(slot);
    const settings = session.settings(slot);
    if (args.text(0) === 'promisc') {
      await control.setPromiscuous(on, wait);
      settings.promiscuous = on;
    } else {
      await control.setAllMulticast(on, wait);
      settings.allMulticast = on;
    }
  }
}

async function changeMacs(session: PromptSession, args: CommandArguments): Promise<void> {
  const slot = session.slot(args.number(1));
  const mac = args.text(2).toLowerCase();
  const { macs } = session.settings(slot);
  const before = [...macs];
  if (args.text(0) === 'add') macs.add(mac);
  else if (!macs.delete(mac)) throw new CommandFailure('mac_addr_cmd error: (No such device or address)');
  try {
    await session.tellMacs(slot);
  } catch (error) {
    // The device has what it had.
    macs.clear();
    for (const each of before) macs.add(each);
    throw error;
  }
}
