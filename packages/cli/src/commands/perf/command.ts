import type { Command } from 'commander';
import { number } from '../../options/option-values.ts';
import type { PerfOptions } from './options.ts';

/** `vio perf [SOCKETS...]`: why what runs is not faster, each with the number that shows it, and what to change. */
export function addPerfCommand(program: Command, interrupted: AbortSignal): void {
  program
    .command('perf')
    .description(
      'say what holds running ports and backends up, with the number that shows it, and what to change',
    )
    .argument('[sockets...]', 'of their telemetry; without, all that run here')
    .option('--duration <seconds>', 'how long to look', number(0.2, 3600), 2)
    .option('--json', 'one JSON object per line instead of text')
    .addHelpText(
      'after',
      '\nIt only looks, from outside. Findings are notes: the exit code is 0 unless nobody could be looked at.',
    )
    .action(async (sockets: readonly string[], options: PerfOptions) => {
      const { perf } = await import('./perf.ts');
      await perf(sockets, options, interrupted);
    });
}
