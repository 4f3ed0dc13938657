import type { Command } from 'commander';
import type { DevbindOptions } from './options.ts';

/** `vio devbind --status | --bind DRIVER ADDRESS... | --unbind ADDRESS...`: which driver has a virtio PCI device. */
export function addDevbindCommand(program: Command): void {
  program
    .command('devbind')
    .description('show which drivers the virtio PCI devices have, and give them others')
    .argument('[addresses...]', 'PCI addresses such as 0000:00:04.0 or 00:04.0; for --status, all without')
    .option('--status', 'list the devices and their drivers (what it does without an option)')
    .option('--bind <driver>', 'hand the devices to vfio-pci, uio_pci_generic or virtio-pci')
    .option('--unbind', 'take the devices away from their drivers')
    .option('--force', 'also take devices away whose interface has a route or an address')
    .option('--sysfs <directory>', 'the PCI bus in sysfs, where it is not /sys/bus/pci')
    .option('--json', 'one JSON object per line instead of text')
    .addHelpText('after', '\nTo give a card back to the kernel: vio devbind --bind virtio-pci ADDRESS')
    .action(async (addresses: readonly string[], options: DevbindOptions) => {
      const { devbind } = await import('./devbind.ts');
      devbind(addresses, options);
    });
}
