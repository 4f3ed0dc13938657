// A forwarder that polls under load and sleeps when there is none. Argument: seconds of each turn of a demonstration, in which a
// backend, in a process of its own, is silent and busy by turns; or a command line as of DPDK's l3fwd-power, with --config.
import { demonstrate } from './demonstration.js';
import { l3fwd } from './l3fwd.js';
import { parseOptions } from './options.js';

const args = process.argv.slice(2);
if (args.some((arg) => arg.startsWith('--config'))) await l3fwd(parseOptions(args));
else await demonstrate(Number(args[0] ?? 1));
