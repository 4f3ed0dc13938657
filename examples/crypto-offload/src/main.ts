// A crypto card; see `usage`.
import { parseArgs } from 'node:util';
import { CryptoCard } from './crypto-card.ts';

const usage = 'usage: node dist/main.js [--queues 1..256] [--zero-copy] SOCKET';
const { socket, ...options } = read();

const card = await CryptoCard.start(socket, {
  ...options,
  onGone: (requests, refused) => console.log(`a guest is gone: ${requests} requests, ${refused} refused`),
});
console.log(`a crypto card is on ${socket}`);

const stop = (): void => void card[Symbol.asyncDispose]();
process.once('SIGINT', stop);
process.once('SIGTERM', stop);

function read() {
  try {
    const { values, positionals } = parseArgs({
      options: { queues: { type: 'string', default: '1' }, 'zero-copy': { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    const queues = Number(values.queues);
    if (!(Number.isInteger(queues) && queues >= 1 && queues <= 256))
      throw new Error(`--queues cannot be ${values.queues}`);
    if (positionals.length !== 1) throw new Error('one socket is needed');
    return { socket: positionals[0], queues, zeroCopy: values['zero-copy'] };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    process.exit(2);
  }
}
