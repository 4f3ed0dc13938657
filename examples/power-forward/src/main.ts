// A forwarder that polls under load and sleeps when there is none. Argument: seconds of each turn of a demonstration, in which a
// backend, in a process of its own, is silent and busy by turns; or a command line as of DPDK's l3fwd-power, with --config.
import { demonstrate } from './demonstration.js';
import { l3fwd } from './l3fwd.js';
import { type Options, UsageError, parseOptions, usage } from './options.js';

const args = process.argv.slice(2);
const given = read();
if (typeof given === 'number') await demonstrate(given);
else await l3fwd(given);

/** @returns the seconds of a turn, or a command line of l3fwd-power */
function read(): number | Options {
  try {
    if (args.length > 1 || args[0]?.startsWith('-')) return parseOptions(args);
    const seconds = Number(args[0] ?? 1);
    if (seconds > 0 && seconds <= 1e6) return seconds;
    throw new UsageError(`a turn cannot have ${args[0]} seconds`);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}
