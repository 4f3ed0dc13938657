import { type Command, Option } from 'commander';
import { portTopologies } from '../../forward/topology.ts';
import { devargsHelp } from '../../options/devargs-help.ts';
import { addForwardOptions } from '../../options/forward-options.ts';
import { integer } from '../../options/option-values.ts';
import { timeoutOption } from '../../options/timeout.ts';
import type { RunOptions } from './options.ts';

/** `vio run DEVARGS...`: opens ports and forwards on every queue pair. */
export function addRunCommand(program: Command, interrupted: AbortSignal): void {
  const command = program
    .command('run')
    .description('open ports and forward packets, like a small testpmd')
    .argument(
      '[devargs...]',
      'a port each: DPDK-style devargs, for example net_virtio_user0,path=/tmp/vhost.sock,queues=2 or 0000:00:04.0',
    );
  addForwardOptions(command)
    .option(
      '--vdev <devargs>',
      'one more port; may be given several times',
      (text, all: string[]) => [...all, text],
      [],
    )
    .option('--pci', 'a port on every virtio PCI device that has a driver for user space')
    .addOption(
      new Option('--port-topology <topology>', 'by which port packets leave')
        .choices(portTopologies)
        .default('paired'),
    )
    .option(
      '--rxq <queues>',
      'receive queues of each port; pairs are the larger of --rxq and --txq',
      integer(1, 128),
    )
    .option('--txq <queues>', 'transmit queues of each port', integer(1, 128))
    .option('--rxd <descriptors>', 'descriptors of each receive ring', integer(1, 32_768))
    .option('--txd <descriptors>', 'descriptors of each transmit ring', integer(1, 32_768))
    .option('--tx-first', 'send a burst on every queue before forwarding begins')
    .addOption(timeoutOption('how long to wait for the backend, in each step'))
    .option('--wait', 'wait for a backend that is not there yet, as long as it takes')
    .option('--reconnect', 'look for a backend that went away (with server=1 a port always does)')
    .option('--xstats', 'print the extended statistics at the end')
    .option(
      '--pcap <file>',
      'write what passes the first port to this file (pcapng when it is called so); - is stdout',
    )
    .option('--snaplen <bytes>', 'bytes of each packet that --pcap keeps', integer(1, 262_144), 262_144)
    .option('--verbose', 'also name the paths that were not elected, each with the reason')
    .addHelpText(
      'after',
      `
Topologies:
  paired   ports 0 and 1 forward to each other, 2 and 3, ...; a port without a neighbour to itself
  chained  0 to 1, 1 to 2, ..., the last one to 0
  loop     each port to itself`,
    )
    .addHelpText('after', devargsHelp)
    .action(async (devargs: readonly string[], options: RunOptions) => {
      const named = [...devargs, ...options.vdev];
      if (named.length === 0 && options.pci !== true)
        command.error("error: missing required argument 'devargs'", { code: 'commander.missingArgument' });
      const { runPorts } = await import('./run.ts');
      await runPorts(named, options, interrupted);
    });
}
