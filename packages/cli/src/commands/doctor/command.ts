import type { Command } from 'commander';
import { integer } from '../../options/option-values.ts';
import type { DoctorOptions } from './options.ts';

/** `vio doctor PATH`: what stands between this process and a working port, each with its remedy. */
export function addDoctorCommand(program: Command, interrupted: AbortSignal): void {
  program
    .command('doctor')
    .description('say what stands between this process and a working port, and what to do about it')
    .argument('<path>', 'socket of a vhost-user backend, /dev/vhost-net, or the address of a PCI device')
    .option('--timeout <ms>', 'how long to wait for the backend, in each step', integer(1, 3_600_000), 5000)
    .option('--json', 'one JSON object per line instead of text')
    .addHelpText('after', '\nThe exit code is 1 when there is a problem.')
    .action(async (path: string, options: DoctorOptions) => {
      const { doctor } = await import('./doctor.ts');
      await doctor(path, options, interrupted);
    });
}
