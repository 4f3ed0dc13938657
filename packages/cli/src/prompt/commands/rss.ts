import {
  HASH_TYPE_IPv4,
  HASH_TYPE_IPv6,
  HASH_TYPE_TCPv4,
  HASH_TYPE_TCPv6,
  HASH_TYPE_UDPv4,
  HASH_TYPE_UDPv6,
  VIRTIO_NET_F_RSS,
} from '@vio/net';
import { supportedHashTypes } from '@vio/net/internal';
import type { CommandArguments, PromptCommand } from '../command.ts';
import { CommandFailure, type PromptSession } from '../session.ts';
import { flowTypes, hashTypeNames } from '../text/port-info.ts';

const ip = HASH_TYPE_IPv4 | HASH_TYPE_IPv6;
const udp = HASH_TYPE_UDPv4 | HASH_TYPE_UDPv6;
const tcp = HASH_TYPE_TCPv4 | HASH_TYPE_TCPv6;

/** Hash types by testpmd's names of groups. `ip` has what is above it as well, as there. */
const groups: Readonly<Record<string, number>> = {
  all: supportedHashTypes,
  default: supportedHashTypes,
  ip,
  udp: ip | udp,
  tcp: ip | tcp,
  none: 0,
  ...Object.fromEntries(hashTypeNames.map(([bit, name]) => [name, bit])),
};
const groupNames = Object.keys(groups).join('|');
/** Entries of a mask. */
const maskEntries = 64;

/** Receive-side scaling. */
export const rssCommands: readonly PromptCommand[] = [
  {
    section: 'ports',
    syntax: `port config <ports> rss ${groupNames}`,
    help: 'What is hashed to choose a receive queue.',
    async run(session, args) {
      for (const slot of session.named(args.text(0))) {
        const { control, rss } = scaled(session, slot.number);
        const hashTypes = groups[args.text(1)] & (rss?.hashTypes ?? supportedHashTypes);
        await control.updateRss({ hashTypes }, { signal: session.signal });
      }
    },
  },
  {
    section: 'ports',
    syntax: 'port config <port> rss reta <entry>',
    help: 'Entries of the redirection table, as (hash,queue).',
    async run(session, args) {
      const { control } = scaled(session, args.number(0));
      const entries = [...args.text(1).matchAll(/\((\d+),(\d+)\)/g)];
      const table = new Map(entries.map(([, entry, queue]) => [Number(entry), Number(queue)]));
      await control.updateRssTable(table, { signal: session.signal });
    },
  },
  {
    section: 'ports',
    syntax: `port config <port> rss-hash-key ${groupNames} <key>`,
    help: 'The key of the hash.',
    async run(session, args) {
      const { control } = scaled(session, args.number(0));
      const key = Uint8Array.from(Buffer.from(args.text(2), 'hex'));
      await control.updateRss({ key }, { signal: session.signal });
    },
  },
  {
    section: 'display',
    syntax: 'show port <port> rss reta <entries> <masks>',
    help: 'Entries of the redirection table: a mask for every 64 of them.',
    run: showTable,
  },
  {
    section: 'display',
    syntax: 'show port <port> rss-hash [key]',
    help: 'What is hashed, and with which key.',
    run(session, args) {
      const { control } = scaled(session, args.number(0));
      const { hashTypes, key } = control.rss ?? control.defaultRss;
      if (hashTypes === 0) return session.say('RSS disabled');
      const names = ['RSS functions:', `  ${flowTypes(hashTypes).join('  ')}`];
      const hex = Buffer.from(key).toString('hex').toUpperCase();
      session.say([...names, ...(args.get(1) === undefined ? [] : ['RSS key:', hex])].join('\n'));
    },
  },
];

/** @throws CommandFailure when the port has none */
function scaled(session: PromptSession, number: number): ReturnType<PromptSession['opened']> {
  const port = session.opened(session.slot(number));
  if ((port.features & VIRTIO_NET_F_RSS) === 0n)
    throw new CommandFailure(
      `Port ${number} has no receive-side scaling: that takes several queues (--rxq), and a device that has it (of a vhost-user backend by cq=1)`,
    );
  return port;
}

function showTable(session: PromptSession, args: CommandArguments): void {
  const number = args.number(0);
  const { control } = scaled(session, number);
  const { table } = control.rss ?? control.defaultRss;
  const size = args.number(1);
  if (size > table.length)
    throw new CommandFailure(`Invalid redirection table size: ${size} (1-${table.length})`);
  const masks = args
    .text(2)
    .slice(1, -1)
    .split(',')
    .map((text) => BigInt(text.toLowerCase().startsWith('0x') ? text : `0x${text}`));
  const lines = table
    .slice(0, size)
    .flatMap((queue, i) =>
      (((masks[Math.floor(i / maskEntries)] ?? 0n) >> BigInt(i % maskEntries)) & 1n) === 0n
        ? []
        : [`RSS RETA configuration: hash index=${i}, queue=${queue}`],
    );
  session.say(lines.join('\n'));
}
