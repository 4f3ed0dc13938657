// A switch between vhost-user sockets; see `usage`.
import { portCounters } from './counters.ts';
import { UsageError, parseCommandLine, usage } from './options.ts';
import { L2Switch } from './switch.ts';

const command = read();
const { sockets, uplink, stats, options } = command;
const l2 = new L2Switch(options, (port, what) => console.error(`${port}: ${what}`));
for (const socket of sockets) await l2.addSocket(socket);
if (uplink !== undefined) await l2.addSocket(uplink, { uplink: true });
l2.run();
console.log(`switching between ${[...sockets, ...(uplink === undefined ? [] : [uplink])].join(', ')}`);

const printing = stats > 0 ? setInterval(() => console.log(portCounters(l2.ports)), stats) : undefined;
const stop = async (): Promise<void> => {
  clearInterval(printing);
  await l2.close();
  const { forwarded, flooded, dropped } = l2.counts;
  const lost = dropped > 0 ? `, dropped ${dropped}` : '';
  console.log(`forwarded ${forwarded} frames, flooded ${flooded}${lost}`);
};
process.once('SIGINT', () => void stop());
process.once('SIGTERM', () => void stop());

function read() {
  try {
    const given = parseCommandLine(process.argv.slice(2));
    if (given !== undefined) return given;
    process.stdout.write(usage);
    process.exit(0);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}
