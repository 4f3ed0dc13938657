// What the command line says, in the words of DPDK's vhost switch (examples/vhost).
import { parseArgs } from 'node:util';

/** Which engine copies what a port receives (`tx`, seen from the switch), and what it sends (`rx`); undefined: the switch does. */
export interface PortDmas {
  tx: string | undefined;
  rx: string | undefined;
}

export interface CommandLine {
  readonly sockets: readonly string[];
  /** By socket. */
  readonly dmas: readonly PortDmas[];
  /** Guests' memory is locked. */
  readonly lock: boolean;
  /** Milliseconds between two prints of the counters; 0: none. */
  readonly stats: number;
}

export const usage = `usage: node dist/main.js [OPTIONS] SOCKET SOCKET [SOCKET ...]

A learning Ethernet switch; every vhost-user socket is one of its ports. Frames are copied by threads beside the one that switches.

  --dmas [txd0@T,rxd0@T,...]  who copies: txd0 what the first socket's guest receives, rxd0 what it sends, by the thread of the
                              name T; what is not named the switch copies itself (default: all of them, by one thread)
  --lock 0|1                  guests' memory stays in memory (default 1)
  --stats SECONDS             print the counters of every port so often (default 0: never)
  --help                      this text
`;

/** What is wrong with a command line. */
export class UsageError extends Error {}

/** @returns undefined: help is asked for @throws UsageError */
export function parseCommandLine(args: readonly string[]): CommandLine | undefined {
  const { values, positionals: sockets } = parse(args);
  if (values.help) return undefined;
  if (sockets.length < 2) throw new UsageError('a switch has two ports or more');
  const stats = values.stats.trim() === '' ? Number.NaN : Number(values.stats);
  if (!(stats >= 0 && stats < 1e6)) throw new UsageError(`--stats cannot be ${values.stats}`);
  if (!['0', '1'].includes(values.lock)) throw new UsageError(`--lock cannot be ${values.lock}`);
  return {
    sockets,
    lock: values.lock === '1',
    dmas: assign(values.dmas, sockets.length),
    stats: stats * 1000,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        dmas: { type: 'string' },
        lock: { type: 'string', default: '1' },
        stats: { type: 'string', default: '0' },
        help: { type: 'boolean', short: 'h', default: false },
      },
      allowPositionals: true,
    });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** @throws UsageError */
function assign(text: string | undefined, ports: number): PortDmas[] {
  if (text === undefined) return Array.from({ length: ports }, () => ({ tx: 'dma0', rx: 'dma0' }));
  const dmas: PortDmas[] = Array.from({ length: ports }, () => ({ tx: undefined, rx: undefined }));
  const list = /^\[(.*)\]$/.exec(text)?.[1];
  if (list === undefined) throw new UsageError(`--dmas is a list in brackets, and not ${text}`);
  for (const entry of list.split(',').filter((each) => each !== '')) {
    const [, direction, number, engine] = /^(tx|rx)d(\d+)@(.+)$/.exec(entry) ?? [];
    const port = dmas[Number(number)];
    if (port === undefined || (direction !== 'tx' && direction !== 'rx'))
      throw new UsageError(`--dmas cannot have ${entry}: it is txdN@NAME or rxdN@NAME, N below ${ports}`);
    if (port[direction] !== undefined) throw new UsageError(`--dmas names ${direction}d${number} twice`);
    port[direction] = engine;
  }
  return dmas;
}
