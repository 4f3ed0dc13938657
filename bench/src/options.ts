import { parseArgs } from 'node:util';

export interface Options {
  readonly quick: boolean;
  readonly write: boolean;
  /** Part of a name; empty: everything. */
  readonly only: string;
  /** Ours against ours: what the second contender does otherwise. Undefined: ours against DPDK's. */
  readonly ab: Variation | undefined;
  /** Rounds of four windows in each cell; undefined: as the plan says. */
  readonly rounds: number | undefined;
}

/** What the second of two contenders of ours does otherwise than the first. */
export interface Variation {
  /** Added to the row's devargs: "queue_size=512". */
  readonly devargs?: string;
  /** Options of `openVirtioUser`, as JSON has them. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Environment variables of its process. */
  readonly env?: Readonly<Record<string, string>>;
}

const help = `Usage: npm run bench -- [options]

Measures vio beside DPDK's testpmd on this machine, in the same run. Needs dpdk-testpmd, hugepages, root and two CPUs.

Options:
  --quick        one round of short windows, frames of 64 bytes only: a few minutes instead of half an hour
  --only <text>  only rows of devargs ("split mergeable", "backend packed", ...) or parts (frontend, backend, cost, log,
                 page, convenient, scale, switch, threads, latency, first-packet, wake, reconnect, steady) whose name
                 contains the text
  --ab <json>    plays two ports of ours against each other on one peer, the second with {"devargs": "...",
                 "options": {...}, "env": {...}} of its own; ratios are second / first
  --rounds <n>   rounds of four windows in each cell, for each of its two pairs of processes
  --write        puts the results into bench/README.md, those of the parts measured with --only, and
                 draws bench/ratios.svg of all ratios that stand there
  -h, --help     shows this
`;

/** Reads the command line. Ends the process for --help (0) and for what it does not know (2). */
export function parseOptions(args: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        only: { type: 'string', default: '' },
        ab: { type: 'string' },
        rounds: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const { quick, write, only } = values;
    if (!values.help) return { quick, write, only, ab: variation(values.ab), rounds: rounds(values.rounds) };
    process.stdout.write(help);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    process.exit(2);
  }
}

const variationKeys: readonly string[] = ['devargs', 'options', 'env'];

function variation(json: string | undefined): Variation | undefined {
  if (json === undefined) return undefined;
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null) throw new Error('--ab takes an object');
  const unknown = Object.keys(value).find((key) => !variationKeys.includes(key));
  if (unknown !== undefined) throw new Error(`--ab knows ${variationKeys.join(', ')}, not ${unknown}`);
  return value;
}

function rounds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--rounds ${text}: a number from 1 on`);
  return number;
}
