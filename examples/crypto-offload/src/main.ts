// Usage: node dist/main.js [--queues N] [--zero-copy] SOCKET
import { parseArgs } from 'node:util';
import { CryptoCard } from './crypto-card.ts';

const { values, positionals } = parseArgs({
  options: { queues: { type: 'string', default: '1' }, 'zero-copy': { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [socket] = positionals;
if (positionals.length !== 1) {
  console.error('usage: node dist/main.js [--queues N] [--zero-copy] SOCKET');
  process.exit(2);
}

const card = await CryptoCard.start(socket, {
  queues: Number(values.queues),
  zeroCopy: values['zero-copy'],
  onGone: (requests, refused) => console.log(`a guest is gone: ${requests} requests, ${refused} refused`),
});
console.log(`a crypto card is on ${socket}`);

const stop = (): void => void card[Symbol.asyncDispose]();
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
