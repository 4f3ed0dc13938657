// What the command line says, in the words of DPDK's vhost switch (examples/vhost).
import { parseArgs } from 'node:util';

/**
 * Which way frames of guests go. `software`: by address. `off`: to the uplink alone; guests do not reach each other.
 * `hardware`: to the uplink alone, and what the switch behind it sends back reaches the other guests.
 */
export type Vm2vm = 'off' | 'software' | 'hardware';

export interface SwitchOptions {
  /** Milliseconds after which an address that was not heard again is forgotten. */
  readonly ageing: number;
  readonly vm2vm: Vm2vm;
  /** How often, and after how many milliseconds each, a full receive queue is tried again before frames for it are dropped. */
  readonly retry: { readonly times: number; readonly delay: number };
  /** Large packets may take several receive buffers of a guest (MRG_RXBUF). */
  readonly mergeable: boolean;
  /** Guests may leave segmentation to the switch, and get packets of 64 KiB. */
  readonly tso: boolean;
  /** Guests may leave checksums to the switch. */
  readonly txChecksum: boolean;
  /** The guests' sides listen, and the switch connects. */
  readonly client: boolean;
}

export interface CommandLine {
  readonly options: SwitchOptions;
  readonly sockets: readonly string[];
  readonly uplink: string | undefined;
  /** Milliseconds between two prints of the counters; 0: none. */
  readonly stats: number;
}

export const usage = `usage: node dist/main.js [OPTIONS] SOCKET [SOCKET ...]

A learning Ethernet switch; every vhost-user socket is one of its ports.

  --ageing SECONDS       an address not heard for so long is forgotten (default 300)
  --uplink SOCKET        one more port: the network outside
  --vm2vm 0|1|2          between guests: 0 nothing, 1 by address (default), 2 by way of a switch behind the uplink
  --mergeable 0|1        large packets take several receive buffers (default 1)
  --tso 0|1              guests may leave segmentation to others (default 1)
  --tx-csum 0|1          guests may leave checksums to others (default 1); without, no segmentation either
  --rx-retry 0|1         a full receive queue is tried again (default 1)
  --rx-retry-num N       ... so often (default 4)
  --rx-retry-delay USEC  ... after so many microseconds each (default 15)
  --stats SECONDS        print the counters of every port so often (default 0: never)
  --client               connect to the sockets instead of listening on them
  --help                 this text
`;

const definitions = {
  ageing: { type: 'string', default: '300' },
  uplink: { type: 'string' },
  vm2vm: { type: 'string', default: '1' },
  mergeable: { type: 'string', default: '1' },
  tso: { type: 'string' },
  'tx-csum': { type: 'string', default: '1' },
  'rx-retry': { type: 'string', default: '1' },
  'rx-retry-num': { type: 'string', default: '4' },
  'rx-retry-delay': { type: 'string', default: '15' },
  stats: { type: 'string', default: '0' },
  client: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** More than a timer of Node can wait for is over at once. */
const mostSeconds = 1e6;

/** What is wrong with a command line. */
export class UsageError extends Error {}

const vm2vmModes: readonly Vm2vm[] = ['off', 'software', 'hardware'];

/** @returns undefined: help is asked for @throws UsageError */
export function parseCommandLine(args: readonly string[]): CommandLine | undefined {
  const { values, positionals: sockets } = parse(args);
  if (values.help) return undefined;
  const { uplink } = values;
  const mode = whole('vm2vm', values.vm2vm, 2);
  const txChecksum = flag('tx-csum', values['tx-csum']);
  const tso = values.tso === undefined ? txChecksum : flag('tso', values.tso);
  if (tso && !txChecksum) throw new UsageError('--tso 1 needs --tx-csum 1: who cuts completes checksums');
  if (mode !== 1 && uplink === undefined) throw new UsageError(`--vm2vm ${mode} needs an --uplink`);
  if (sockets.length + (uplink === undefined ? 0 : 1) < 2)
    throw new UsageError('a switch has two ports or more');
  const retries = flag('rx-retry', values['rx-retry']);
  return {
    sockets,
    uplink,
    stats: number('stats', values.stats, 0, mostSeconds) * 1000,
    options: {
      ageing: number('ageing', values.ageing, 1e-3, mostSeconds) * 1000,
      vm2vm: vm2vmModes[mode],
      retry: {
        times: retries ? number('rx-retry-num', values['rx-retry-num'], 0, Number.MAX_SAFE_INTEGER) : 0,
        delay: number('rx-retry-delay', values['rx-retry-delay'], 0, 1e6) / 1000,
      },
      mergeable: flag('mergeable', values.mergeable),
      tso,
      txChecksum,
      client: values.client,
    },
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: definitions, allowPositionals: true });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

const flag = (name: string, given: string): boolean => whole(name, given, 1) === 1;

function whole(name: string, given: string, most: number): number {
  const value = number(name, given, 0, most);
  if (Number.isInteger(value)) return value;
  throw new UsageError(`--${name} cannot be ${given}`);
}

function number(name: string, given: string, least: number, most: number): number {
  const value = given.trim() === '' ? Number.NaN : Number(given);
  if (value >= least && value <= most) return value;
  throw new UsageError(`--${name} cannot be ${given}`);
}
