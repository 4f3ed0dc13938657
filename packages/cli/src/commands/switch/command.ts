import { Argument, type Command } from 'commander';
import { timeoutOption } from '../../options/timeout.ts';
import type { CallOptions, SwitchRunOptions } from './options.ts';

/** `vio switch`: an Ethernet switch between vhost-user ports, and what can be asked of one that runs. */
export function addSwitchCommand(program: Command, interrupted: AbortSignal): void {
  const group = program.command('switch').description('switch Ethernet frames between vhost-user ports');
  group
    .command('run')
    .description('run a switch until it is interrupted; SIGHUP reads the configuration anew')
    .requiredOption('--config <file>', 'the configuration, YAML or JSON')
    .option(
      '--control <path>',
      'the control socket, in place of what the configuration says (default: where vio switch show looks for it)',
    )
    .option('--state <file>', 'the file that keeps ports which were added while it ran')
    .option(
      '--http <address>',
      'serve /health, /health/live, /metrics and a live page: PORT, HOST:PORT, [IPV6]:PORT, /path/of.sock',
    )
    .option(
      '--telemetry <path>',
      'the socket by which vio top and others look at it (default: in /run/vio, where it has no control socket)',
    )
    .option('--no-telemetry', 'have no such socket, nor a control socket that nobody has named')
    .option('--json', 'one JSON object per line')
    .action(async (options: SwitchRunOptions) => {
      const { runSwitch } = await import('./run.ts');
      await runSwitch(options, interrupted);
    });
  const call = (name: string, description: string): Command =>
    group
      .command(name)
      .description(description)
      .option(
        '--control <path>',
        'the control socket of the switch (default: switch.sock among the sockets of this user, or in /run/vio)',
      )
      .addOption(timeoutOption('how long to wait for an answer'))
      .option('--json', 'the answer as the switch gives it');
  call('add', 'add a port to a switch that runs')
    .argument('<port>', 'the port as JSON: \'{"name":"web","bridge":"br0","socket":"/run/vio/web.sock"}\'')
    .action(async (port: string, options: CallOptions) => {
      const { addPort } = await import('./calls.ts');
      await addPort(port, options);
    });
  call('delete', 'delete a port that was added; one that is not there is deleted already')
    .argument('<name>')
    .action(async (name: string, options: CallOptions) => {
      const { deletePort } = await import('./calls.ts');
      await deletePort(name, options);
    });
  call('show', 'show ports, bridges, workers, macs, counters or health')
    .addArgument(
      new Argument('<what>', 'which').choices(['ports', 'bridges', 'workers', 'macs', 'counters', 'health']),
    )
    .action(async (what: string, options: CallOptions) => {
      const { show } = await import('./calls.ts');
      await show(what, options);
    });
  call('flush', 'forget all addresses that were learned').action(async (options: CallOptions) => {
    const { flush } = await import('./calls.ts');
    await flush(options);
  });
  call('reload', 'read the configuration anew').action(async (options: CallOptions) => {
    const { reload } = await import('./calls.ts');
    await reload(options);
  });
}
