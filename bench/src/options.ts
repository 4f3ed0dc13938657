import { parseArgs } from 'node:util';

export interface Options {
  readonly quick: boolean;
  readonly write: boolean;
  /** Part of a name; empty: everything. */
  readonly only: string;
}

const help = `Usage: npm run bench -- [options]

Measures vio beside DPDK's testpmd on this machine, in the same run. Needs dpdk-testpmd, hugepages, root and two CPUs.

Options:
  --quick        one round of short windows, frames of 64 bytes only: a few minutes instead of half an hour
  --only <text>  only rows of devargs ("split mergeable", ...) or parts (frontend, backend, cost, first-packet, wake,
                 reconnect, steady) whose name contains the text
  --write        puts the results into bench/README.md and bench/ratios.svg
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
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (!values.help) return values;
    process.stdout.write(help);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    process.exit(2);
  }
}
