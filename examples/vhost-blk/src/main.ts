// A file as a disk; see `usage`.
import { parseArgs } from 'node:util';
import { BlkDevice } from './blk-device.ts';

const usage = 'usage: node dist/main.js [--read-only] [--queues 1..256] IMAGE SOCKET|/dev/vduse/NAME';
const { image, socket, ...options } = read();

const device = await BlkDevice.start(socket, image, options);
console.log(`${image} is a disk on ${socket}`);

const stop = (): void => void device[Symbol.asyncDispose]();
process.once('SIGINT', stop);
process.once('SIGTERM', stop);

function read() {
  try {
    const { values, positionals } = parseArgs({
      options: { 'read-only': { type: 'boolean', default: false }, queues: { type: 'string', default: '1' } },
      allowPositionals: true,
    });
    const queues = Number(values.queues);
    if (!(Number.isInteger(queues) && queues >= 1 && queues <= 256))
      throw new Error(`--queues cannot be ${values.queues}`);
    if (positionals.length !== 2) throw new Error('an image and a socket are needed');
    return { image: positionals[0], socket: positionals[1], readOnly: values['read-only'], queues };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    process.exit(2);
  }
}
