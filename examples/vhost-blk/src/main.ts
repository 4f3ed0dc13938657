// Usage: node dist/main.js [--read-only] [--queues N] IMAGE SOCKET|/dev/vduse/NAME
import { parseArgs } from 'node:util';
import { BlkDevice } from './blk-device.ts';

const { values, positionals } = parseArgs({
  options: { 'read-only': { type: 'boolean', default: false }, queues: { type: 'string', default: '1' } },
  allowPositionals: true,
});
const [image, socket] = positionals;
if (positionals.length !== 2) {
  console.error('usage: node dist/main.js [--read-only] [--queues N] IMAGE SOCKET|/dev/vduse/NAME');
  process.exit(2);
}

const device = await BlkDevice.start(socket, image, {
  readOnly: values['read-only'],
  queues: Number(values.queues),
});
console.log(`${image} is a disk on ${socket}`);

const stop = (): void => void device[Symbol.asyncDispose]();
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
