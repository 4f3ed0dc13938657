import { VioError } from '@vio/native';
import { featureNames } from '@vio/net';
import { openVirtioUser } from '@vio/virtio-user';
import type { Command } from 'commander';
import { Output } from '../output.ts';
import { recordRing } from '../ring-record.ts';
import { devargsHelp } from './devargs-help.ts';
import { integer } from './option-values.ts';
import { portReport } from './port-report.ts';

interface InspectOptions {
  readonly features?: string;
  readonly timeout: number;
  readonly rings?: true;
  readonly json?: true;
}

/** `vio inspect DEVARGS` or `vio inspect --features MASK`: what was negotiated, which paths run and why. */
export function addInspectCommand(program: Command, interrupted: AbortSignal): void {
  program
    .command('inspect')
    .description('show negotiated features by name, the elected paths with reasons, and the rings')
    .argument('[devargs]', 'DPDK-style devargs of a port to open and close again')
    .option('--features <mask>', 'only name the bits of this feature mask, for example 0x130008000')
    .option('--timeout <ms>', 'how long to wait for the backend, in each step', integer(1, 3_600_000), 5000)
    .option('--rings', 'dump every ring: indexes, events, buffers in flight with their descriptors')
    .option('--json', 'one JSON object per line instead of text')
    .addHelpText('after', devargsHelp)
    .action((devargs: string | undefined, options: InspectOptions) => inspect(devargs, options, interrupted));
}

async function inspect(
  devargs: string | undefined,
  options: InspectOptions,
  interrupted: AbortSignal,
): Promise<void> {
  const output = new Output(options.json === true);
  if (options.features !== undefined) {
    const mask = parseMask(options.features);
    const names = featureNames(mask);
    output.record('features', { mask, features: names }, names.join('\n'));
    return;
  }
  if (devargs === undefined) {
    throw new VioError('there is nothing to inspect', {
      code: 'VIO_CLI_USAGE',
      remedy: 'give devargs such as path=/tmp/vhost.sock, or --features MASK',
    });
  }
  await using port = await openVirtioUser(devargs, { timeout: options.timeout, signal: interrupted });
  const report = portReport(port);
  output.record('port', report.data, report.text);
  if (options.rings === true) for (const dump of port.dumpRings()) recordRing(output, dump);
}

function parseMask(text: string): bigint {
  const mask = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? BigInt(text) : -1n;
  if (mask < 0n || mask > 0xffff_ffff_ffff_ffffn) {
    throw new VioError(`"${text}" is no feature mask`, {
      code: 'VIO_CLI_USAGE',
      remedy: 'write the 64 bits as hexadecimal (0x...) or decimal digits',
    });
  }
  return mask;
}
