import { type Command, InvalidArgumentError, Option } from 'commander';
import { type ForwardMode, forwardModes } from '../forward/modes.ts';

/** The options that `vio run` and `vio backend` share. */
export interface ForwardOptions {
  readonly forwardMode: ForwardMode;
  readonly txpkts: number;
  readonly burst: number;
  readonly duration?: number;
  readonly statsPeriod: number;
  readonly xstats: boolean;
  readonly json: boolean;
}

export function addForwardOptions(command: Command): Command {
  return command
    .addOption(new Option('--forward-mode <mode>', 'what to do').choices(forwardModes).default('io'))
    .option('--txpkts <bytes>', 'frame size of txonly and flowgen, without CRC', number(60, 9728), 60)
    .option('--burst <packets>', 'packets per burst', number(1, 512), 32)
    .option('--duration <seconds>', 'stop by itself after this time', number(0, 1e6))
    .option('--stats-period <seconds>', 'time between two lines of rates', number(0.05, 3600), 1)
    .option('--xstats', 'print the extended statistics at the end', false)
    .option('--json', 'one JSON object per line instead of text', false);
}

/** A parser of numbers within a range, for commander. */
function number(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(`Allowed: ${min} to ${max}.`);
    }
    return value;
  };
}
