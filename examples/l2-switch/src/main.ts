// Usage: node dist/main.js [--ageing SECONDS] SOCKET SOCKET [SOCKET ...]
import { parseArgs } from 'node:util';
import { L2Switch } from './switch.ts';

const { values, positionals: sockets } = parseArgs({
  options: { ageing: { type: 'string', default: '300' } },
  allowPositionals: true,
});
const ageing = Number(values.ageing);
if (sockets.length < 2 || !(ageing > 0)) {
  console.error('usage: node dist/main.js [--ageing SECONDS] SOCKET SOCKET [SOCKET ...]');
  process.exit(2);
}

const l2 = new L2Switch(ageing * 1000);
for (const socket of sockets) await l2.addPort(socket);
l2.run();
console.log(`switching between ${sockets.join(', ')}`);

const stop = async (): Promise<void> => {
  await l2.close();
  console.log(`forwarded ${l2.counts.forwarded} frames, flooded ${l2.counts.flooded}`);
};
process.once('SIGINT', () => void stop());
process.once('SIGTERM', () => void stop());
