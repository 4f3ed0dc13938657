import type { Command } from 'commander';
import { addForwardOptions } from '../../options/forward-options.ts';
import { integer } from '../../options/option-values.ts';
import type { BackendOptions } from './options.ts';

/** `vio backend PATH`: the embedded vhost-user backend, forwarding for every frontend that connects. */
export function addBackendCommand(program: Command, interrupted: AbortSignal): void {
  const command = program
    .command('backend')
    .description('serve virtio-user ports and guests with the embedded vhost-user backend')
    .argument('<path>', 'the vhost-user socket, or /dev/vduse/NAME for a card of this kernel');
  addForwardOptions(command)
    .option('--client', 'connect to the socket (the frontend listens) instead of listening')
    .option('--queues <pairs>', 'queue pairs offered: 1 to 128', integer(1, 128), 8)
    .option('--no-tso', 'offer no segmentation: neither TSO, USO nor UFO, in no direction')
    .option('--linear-buffer', 'drop packets that do not fit one buffer of 2048 bytes')
    .option('--ext-buffer', 'give packets that do not fit one buffer one of 64 KiB, never several')
    .option(
      '--vdpa <device>',
      'hand frontends to hardware that works on their rings: a PCI address, or /dev/vhost-vdpa-N',
    )
    .option('--iommu-support', 'serve guests behind an I/O MMU (iommu_platform=on)')
    .option('--postcopy-support', 'serve guests that come before their memory (postcopy)')
    .option('--legacy-ol-flags', 'tell offloads of packets as a sender has them')
    .option('--features <names>', 'device features to offer: names with commas, or a mask')
    .option('--disable <names>', 'device features to leave out, in the same way')
    .action(async (path: string, options: BackendOptions) => {
      const { runBackend } = await import('./backend.ts');
      await runBackend(path, options, interrupted);
    });
}
