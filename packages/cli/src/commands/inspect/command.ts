import type { Command } from 'commander';
import { devargsHelp } from '../../options/devargs-help.ts';
import { timeoutOption } from '../../options/timeout.ts';
import type { InspectOptions } from './options.ts';

/** `vio inspect DEVARGS` or `vio inspect --features MASK`: what was negotiated, which paths run and why. */
export function addInspectCommand(program: Command, interrupted: AbortSignal): void {
  program
    .command('inspect')
    .description('show negotiated features by name, the elected paths with reasons, and the rings')
    .argument(
      '[devargs]',
      'DPDK-style devargs, or the address of a PCI device: a port to open and close again',
    )
    .option('--features <mask>', 'only name the bits of this feature mask, for example 0x130008000')
    .addOption(timeoutOption('how long to wait for the backend, in each step'))
    .option('--rings', 'dump every ring: indexes, events, buffers in flight with their descriptors')
    .option('--json', 'one JSON object per line instead of text')
    .addHelpText('after', devargsHelp)
    .action(async (devargs: string | undefined, options: InspectOptions) => {
      const { inspect } = await import('./inspect.ts');
      await inspect(devargs, options, interrupted);
    });
}
