// A switch in a process of its own, so that the CPU time of its threads is theirs alone. Argument: its configuration, as JSON. Says
// `ready`, and ends with its stdin.
import { once } from 'node:events';
import { VioSwitch, parseConfig } from '@vio/switch';

await using fabric = await VioSwitch.start(parseConfig(JSON.parse(process.argv[2])));
console.log('ready', fabric.ports().length);
await once(process.stdin.resume(), 'end');
