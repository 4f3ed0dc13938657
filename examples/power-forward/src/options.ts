// The command line of DPDK's l3fwd-power, as far as it has a meaning here.
import { parseArgs } from 'node:util';

/** A receive queue, and the number of the loop that polls it. */
export interface QueueOfLoop {
  readonly port: number;
  readonly queue: number;
  readonly lcore: number;
}

export interface Options {
  /** Each port by number: an address of a card, or devargs; none: all cards that there are for programs. */
  readonly devices: readonly string[];
  /** The ports that are used, one bit for each. */
  readonly portMask: number;
  readonly promiscuous: boolean;
  readonly config: readonly QueueOfLoop[];
  /** Packets are told apart by their headers. */
  readonly parseTypes: boolean;
  /** Seconds; undefined: until it is interrupted. */
  readonly duration: number | undefined;
}

export const usage = `usage: node dist/main.js [SECONDS]
       node dist/main.js [-a ADDRESS]... [--vdev DEVARGS]... -- -p PORTMASK [-P]
         --config "(port,queue,lcore)[,...]" [--parse-ptype] [--duration S]`;

/** What is wrong with a command line. */
export class UsageError extends Error {}

/** Options of DPDK's environment and of l3fwd-power may stay; those without a meaning are ignored. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parse(args);
  const portMask = Number.parseInt(values.portmask ?? '', 16);
  const config = [...(values.config ?? '').matchAll(/\((\d+),(\d+),(\d+)\)/g)].map(
    ([, port, queue, lcore]) => ({
      port: Number(port),
      queue: Number(queue),
      lcore: Number(lcore),
    }),
  );
  if (!(portMask > 0) || config.length === 0)
    throw new UsageError('-p and --config say which queues are polled');
  for (const { port } of config) {
    if (port > 31 || ((portMask >>> port) & 1) === 0)
      throw new UsageError(`port ${port} of --config is not in the mask of -p`);
  }
  const duration = values.duration === undefined ? undefined : Number(values.duration);
  // More than a timer of Node can wait for is over at once.
  if (duration !== undefined && !(duration >= 0 && duration <= 1e6))
    throw new UsageError(`--duration cannot be ${values.duration}: 0 to 1000000 seconds`);
  return {
    // As DPDK numbers them: cards first.
    devices: [...values.allow, ...values.vdev],
    portMask,
    promiscuous: values.promiscuous,
    config,
    parseTypes: values['parse-ptype'],
    duration,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: args.filter((arg) => arg !== '--'),
      options: {
        allow: { type: 'string', short: 'a', multiple: true, default: [] },
        vdev: { type: 'string', multiple: true, default: [] },
        portmask: { type: 'string', short: 'p' },
        promiscuous: { type: 'boolean', short: 'P', default: false },
        config: { type: 'string' },
        'parse-ptype': { type: 'boolean', default: false },
        duration: { type: 'string' },
        // Of no meaning here.
        lcores: { type: 'string', short: 'l' },
        channels: { type: 'string', short: 'n' },
        'no-numa': { type: 'boolean' },
        'no-pci': { type: 'boolean' },
      },
    });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
