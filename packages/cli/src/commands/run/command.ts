import { type Command, Option } from 'commander';
import { portTopologies } from '../../forward/topology.ts';
import { devargsHelp } from '../../options/devargs-help.ts';
import { addForwardOptions } from '../../options/forward-options.ts';
import { cpuList, integer } from '../../options/option-values.ts';
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
    .option('--nb-cores <threads>', 'threads that forward, each with queues of its own', integer(1, 64), 1)
    .option(
      '--lcores <cpus>',
      'CPUs to run on, as in 0,2-3; those that there are of them. Threads that forward have one each, behind the first',
      cpuList,
    )
    .option('--no-huge', 'have no huge pages, where some are free')
    .option('--tx-first', 'send a burst on every queue before forwarding begins')
    .option(
      '--txqflags <flags>',
      'as DPDK had them up to 18.05: 0xF01 elects the simple transmit path',
      integer(0, 0xffff),
    )
    .option('--enable-rx-cksum', 'take packets whose checksum is not complete')
    .option('--enable-lro', 'take TCP segments that were put together')
    .option('--enable-hw-vlan-strip', 'take VLAN tags off')
    .option('--max-pkt-len <bytes>', 'the largest frame, CRC included: 86 to 9728', integer(86, 9728))
    .addOption(
      new Option('-i, --interactive', "ask for testpmd's commands").conflicts(['json', 'pcap', 'xstats']),
    )
    .option('-a, --auto-start', 'with -i or --cmdline-file: begin to forward at once')
    .addOption(
      new Option(
        '--cmdline-file <file>',
        'carry out the commands of a file, then ask (with -i), or end',
      ).conflicts(['json', 'pcap', 'xstats']),
    )
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
  loop     each port to itself

With -i there is testpmd's prompt: help lists its commands. Nothing is forwarded until start. A script (--cmdline-file, or what is
piped in) goes on behind a line that is wrong; the exit code is 2 when the first such line was no command, 1 when it failed.
A command line of testpmd is understood as it is: vio run -l 0-1 -n 4 --vdev=... -- -i --rxq=1 --txq=1`,
    )
    .addHelpText('after', devargsHelp)
    .action(async (devargs: readonly string[], options: RunOptions) => {
      const named = [...devargs, ...options.vdev];
      if (named.length === 0 && options.pci !== true)
        command.error("error: missing required argument 'devargs'", { code: 'commander.missingArgument' });
      if (options.pcap !== undefined && options.nbCores > 1)
        command.error("error: option '--pcap' cannot be used with several --nb-cores", {
          code: 'commander.conflictingOption',
        });
      if (options.lcores !== undefined) {
        const { runOn } = await import('./lcores.ts');
        runOn(options.lcores);
      }
      if (options.interactive === true || options.cmdlineFile !== undefined) {
        const { promptForPorts } = await import('./prompt.ts');
        process.exitCode = await promptForPorts(named, options, interrupted);
        return;
      }
      const { runPorts } = await import('./run.ts');
      await runPorts(named, options, interrupted);
    });
}
