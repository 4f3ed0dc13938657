// A switch between vhost-user sockets that copies beside its thread; see `usage`.
import { basename } from 'node:path';
import { UsageError, parseCommandLine, usage } from './options.ts';
import { DmaSwitch } from './switch.ts';

const { sockets, dmas, lock, stats } = read();
const dmaSwitch = new DmaSwitch(lock, (port, what) => console.error(`${port}: ${what}`));
for (const [i, socket] of sockets.entries()) await dmaSwitch.addSocket(socket, dmas[i]);
dmaSwitch.run();
console.log(`switching between ${sockets.join(', ')}`);

const print = (): void => {
  for (const { name, counts } of dmaSwitch.ports)
    console.log(
      `${basename(name)}: sent ${counts.sent}, received ${counts.received}, dropped ${counts.dropped}`,
    );
};
const printing = stats > 0 ? setInterval(print, stats) : undefined;
const stop = async (): Promise<void> => {
  clearInterval(printing);
  await dmaSwitch.close();
  const { forwarded, flooded } = dmaSwitch.counts;
  console.log(`forwarded ${forwarded} frames, flooded ${flooded}`);
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
