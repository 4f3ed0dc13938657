import { Argument, type Command } from 'commander';
import { integer } from '../../options/option-values.ts';
import type { ShowOptions } from './options.ts';

/** `vio show rings [SOCKETS...]`: the rings of running programs, as they are at this moment. */
export function addShowCommand(program: Command): void {
  program
    .command('show')
    .description('show the rings of running ports, backends and switches as they are')
    .addArgument(new Argument('<what>', 'what is shown').choices(['rings']))
    .argument('[sockets...]', 'of their telemetry; without, all that run here')
    .option('--port <number>', 'this port or device only, by its number', integer(0, 2 ** 31))
    .option('--svg', 'draw them: an SVG image on stdout')
    .option('--json', 'one JSON object per port instead of text')
    .addHelpText(
      'after',
      `
Programs are found in /run/vio, and in $XDG_RUNTIME_DIR/vio. With --svg: vio show rings --svg > rings.svg`,
    )
    .action(async (_what: string, sockets: readonly string[], options: ShowOptions) => {
      const { showRings } = await import('./show-rings.ts');
      await showRings(sockets, options);
    });
}
