import { VioError } from '@vio/native';
import { featureNames } from '@vio/net';
import { openVirtioUser } from '@vio/virtio-user';
import type { Command } from 'commander';
import { Output } from '../output.ts';
import { portReport } from './port-report.ts';

interface InspectOptions {
  readonly features?: string;
  readonly timeout: number;
  readonly json: boolean;
}

/** `vio inspect DEVARGS` or `vio inspect --features MASK`: what was negotiated, which paths run and why. */
export function addInspectCommand(program: Command): void {
  program
    .command('inspect')
    .description('show negotiated features by name, the elected paths with reasons, and the rings')
    .argument('[devargs]', 'DPDK-style devargs of a port to open and close again')
    .option('--features <mask>', 'only name the bits of this feature mask, for example 0x130008000')
    .option('--timeout <ms>', 'how long to wait for the backend', Number, 5000)
    .option('--json', 'one JSON object per line instead of text', false)
    .action(inspect);
}

async function inspect(devargs: string | undefined, options: InspectOptions): Promise<void> {
  const output = new Output(options.json);
  if (options.features !== undefined) {
    const names = featureNames(parseMask(options.features));
    output.record('features', { features: names }, names.join('\n'));
    return;
  }
  if (devargs === undefined) {
    throw new VioError('there is nothing to inspect', {
      code: 'VIO_CLI_USAGE',
      remedy: 'give devargs such as path=/tmp/vhost.sock, or --features MASK',
    });
  }
  await using port = await openVirtioUser(devargs, { timeout: options.timeout });
  const report = portReport(port);
  output.record('port', report.data, report.text);
}

function parseMask(text: string): bigint {
  if (!/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(text)) {
    throw new VioError(`"${text}" is no feature mask`, {
      code: 'VIO_CLI_USAGE',
      remedy: 'write the 64 bits as hexadecimal (0x...) or decimal digits',
    });
  }
  return BigInt(text);
}
