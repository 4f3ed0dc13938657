import type { Command } from 'commander';
import { devargsHelp } from '../../options/devargs-help.ts';
import { addForwardOptions } from '../../options/forward-options.ts';
import { integer } from '../../options/option-values.ts';
import { timeoutOption } from '../../options/timeout.ts';
import type { RunOptions } from './options.ts';

/** `vio run DEVARGS`: opens a port and forwards on every queue pair. */
export function addRunCommand(program: Command, interrupted: AbortSignal): void {
  const command = program
    .command('run')
    .description('open a port and forward packets, like a small testpmd')
    .argument(
      '<devargs>',
      'DPDK-style devargs, for example net_virtio_user0,path=/tmp/vhost.sock,queues=2 or 0000:00:04.0',
    );
  addForwardOptions(command)
    .addOption(timeoutOption('how long to wait for the backend, in each step'))
    .option('--wait', 'wait for a backend that is not there yet, as long as it takes')
    .option('--reconnect', 'look for a backend that went away (with server=1 a port always does)')
    .option('--xstats', 'print the extended statistics at the end')
    .option('--pcap <file>', 'write what passes to this file (pcapng when it is called so); - is stdout')
    .option('--snaplen <bytes>', 'bytes of each packet that --pcap keeps', integer(1, 262_144), 262_144)
    .option('--verbose', 'also name the paths that were not elected, each with the reason')
    .addHelpText('after', devargsHelp)
    .action(async (devargs: string, options: RunOptions) => {
      const { runPort } = await import('./run.ts');
      await runPort(devargs, options, interrupted);
    });
}
