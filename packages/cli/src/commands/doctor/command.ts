import type { Command } from 'commander';
import { devargsHelp } from '../../options/devargs-help.ts';
import { timeoutOption } from '../../options/timeout.ts';
import type { DoctorOptions } from './options.ts';

/** `vio doctor DEVARGS`: what stands between this process and a working port, each with its remedy. */
export function addDoctorCommand(program: Command, interrupted: AbortSignal): void {
  program
    .command('doctor')
    .description('say what stands between this process and a working port, and what to do about it')
    .argument(
      '<devargs>',
      'of the port, as for run; or a path: a vhost-user socket, /dev/vhost-net, /dev/vhost-vdpa-N; or the address of a PCI device',
    )
    .option('--expect-backend', 'a backend that is not there is a problem, as probes want it')
    .option('--start', 'start a port for a moment even where somebody else may use the backend')
    .option('--no-connect', 'only look: connect to nothing, open no device')
    .addOption(timeoutOption('how long to wait for the backend, in each step'))
    .option('--json', 'one JSON object per line instead of text')
    .addHelpText(
      'after',
      `
The exit code is 1 when there is a problem. A backend or device that somebody uses is asked what it offers, and left alone
otherwise: a second port could take it over.
${devargsHelp}`,
    )
    .action(async (devargs: string, options: DoctorOptions) => {
      const { doctor } = await import('./doctor.ts');
      await doctor(devargs, options, interrupted);
    });
}
