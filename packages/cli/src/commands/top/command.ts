import { type Command, Option } from 'commander';
import { number } from '../../options/option-values.ts';
import { type TopOptions, sortKeys } from './options.ts';

/** `vio top [SOCKETS...]`: what running programs move, redrawn as it changes. */
export function addTopCommand(program: Command, interrupted: AbortSignal): void {
  program
    .command('top')
    .description('look at running ports, backends and switches: rates, rings, batches, drops, links')
    .argument(
      '[sockets...]',
      'of their telemetry, or control sockets of switches; without, all that run here',
    )
    .option('--interval <seconds>', 'time between two looks', number(0.1, 3600), 1)
    .addOption(new Option('--sort <key>', 'what comes first').choices(sortKeys).default('rate'))
    .option('--queues', 'each queue for itself from the start')
    .option('--once', 'look twice, write that down and end')
    .option('--json', 'one JSON object per look instead of a picture')
    .addHelpText(
      'after',
      `
Keys: s sorts by something else, u shows each queue, p or space pauses, up and down scroll, q ends.
Programs are found in /run/vio, and in $XDG_RUNTIME_DIR/vio. NO_COLOR is respected. Where stdout is no terminal, each look is
written behind the one before.`,
    )
    .action(async (sockets: readonly string[], options: TopOptions) => {
      const { top } = await import('./top.ts');
      await top(sockets, options, interrupted);
    });
}
