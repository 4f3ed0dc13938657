import { type Command, Option } from 'commander';
import { type ForwardMode, forwardModes } from '../forward/mode-names.ts';
import type { HttpAddress } from '@vio/net/internal/http';
import type { TelemetryChoice } from '../telemetry/serve.ts';
import { integer, metricsAddress, number, segmentList } from './option-values.ts';

/** The options that `vio run` and `vio backend` share. */
export interface ForwardOptions extends TelemetryChoice {
  readonly forwardMode: ForwardMode;
  /** Bytes of each segment. */
  readonly txpkts: readonly number[];
  readonly burst: number;
  readonly duration?: number;
  readonly statsPeriod: number;
  readonly metrics?: HttpAddress;
  readonly pagePackets?: true;
  readonly json?: true;
}

export function addForwardOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--forward-mode <mode>', 'what to do with packets').choices(forwardModes).default('io'),
    )
    .option(
      '--txpkts <bytes>',
      'frame size of txonly and flowgen, without CRC: 60 to 9728; several numbers, with commas, for segments',
      segmentList,
      [60],
    )
    .option('--burst <packets>', 'packets per burst: 1 to 512', integer(1, 512), 32)
    .option(
      '--duration <seconds>',
      'stop by itself after this time (default: run until SIGINT)',
      number(0, 1e6),
    )
    .option('--stats-period <seconds>', 'time between two lines of rates', number(0.05, 3600), 1)
    .option(
      '--metrics <address>',
      'serve the statistics to Prometheus, and a live page: PORT (of this machine only), HOST:PORT or /path/of.sock',
      metricsAddress,
    )
    .option('--page-packets', 'the page shows packets, too: whoever reaches that address sees them')
    .option('--telemetry <path>', 'the socket by which vio top and others look at it (default: in /run/vio)')
    .option('--no-telemetry', 'have no such socket')
    .option('--telemetry-writable', 'whoever may connect there may also change things')
    .option('--json', 'one JSON object per line instead of text')
    .addHelpText(
      'after',
      `
Modes, as in DPDK's testpmd:
  io        sends every packet on as it came
  mac       the same to the address of the port's peer, from its own
  macswap   the same with the two MAC addresses exchanged
  5tswap    the same with source and destination exchanged: MAC, IP, TCP and UDP
  csum      the same as mac, with checksums made anew (also called checksum)
  icmpecho  answers ARP requests and pings, and drops the rest
  rxonly    receives and drops
  txonly    sends frames of one flow
  flowgen   sends frames of 1024 flows, receives and drops`,
    );
}
