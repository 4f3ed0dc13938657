import { VioError } from '@vio/native';
import { featureNames } from '@vio/net';
import { openDevargs } from '../../open-devargs.ts';
import type { InspectOptions } from './options.ts';
import { Output } from '../../output.ts';
import { portReport } from '../../report/port-report.ts';
import { recordRing } from '../../report/ring-record.ts';

/** Opens a port, says what it is like, and closes it; or names the bits of a mask. */
export async function inspect(
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
      remedy: 'give devargs such as path=/tmp/vhost.sock, the address of a PCI device, or --features MASK',
    });
  }
  const opened = await openDevargs(devargs, { timeout: options.timeout, signal: interrupted });
  await using port = opened.port;
  const report = portReport(port, true);
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
