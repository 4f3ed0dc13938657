import type { Command } from 'commander';
import { addForwardOptions } from '../../options/forward-options.ts';
import { integer } from '../../options/option-values.ts';
import type { BackendOptions } from './options.ts';

/** `vio backend PATH`: the embedded vhost-user backend, forwarding for every frontend that connects. */
export function addBackendCommand(program: Command, interrupted: AbortSignal): void {
  const command = program
    .command('backend')
    .description('serve virtio-user ports and guests with the embedded vhost-user backend')
    .argument('<path>', 'the vhost-user socket');
  addForwardOptions(command)
    .option('--client', 'connect to the socket (the frontend listens) instead of listening')
    .option('--queues <pairs>', 'queue pairs offered: 1 to 128', integer(1, 128), 8)
    .action(async (path: string, options: BackendOptions) => {
      const { runBackend } = await import('./backend.ts');
      await runBackend(path, options, interrupted);
    });
}
