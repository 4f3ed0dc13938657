// Usage: node dist/main.js SOCKET SOCKET [SOCKET ...]
import { L2Switch } from './switch.ts';

const sockets = process.argv.slice(2);
if (sockets.length < 2) {
  console.error('usage: node dist/main.js SOCKET SOCKET [SOCKET ...]');
  process.exit(2);
}

const l2 = new L2Switch();
for (const socket of sockets) await l2.addPort(socket);
l2.run();
console.log(`switching between ${sockets.join(', ')}`);

const stop = async (): Promise<void> => {
  await l2.close();
  console.log(`forwarded ${l2.counts.forwarded} frames, flooded ${l2.counts.flooded}`);
};
process.once('SIGINT', () => void stop());
process.once('SIGTERM', () => void stop());
