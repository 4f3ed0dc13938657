// What nobody can serve is said in a line, with what can be given.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it.each([
  ['vhost-blk', ['disk.img']],
  ['vhost-blk', ['--queues', 'many', 'disk.img', 'blk.sock']],
  ['vhost-blk', ['--queues', '257', 'disk.img', 'blk.sock']],
  ['vhost-blk', ['--writable', 'disk.img', 'blk.sock']],
  ['crypto-offload', []],
  ['crypto-offload', ['--queues', '1.5', 'crypto.sock']],
  ['crypto-offload', ['--fast', 'crypto.sock']],
  ['dma-switch', ['a.sock']],
  ['dma-switch', ['--dmas', 'txd0@one', 'a.sock', 'b.sock']],
  ['dma-switch', ['--dmas', '[txd2@one]', 'a.sock', 'b.sock']],
])('%s %o', (example, args) => {
  const main = join(import.meta.dirname, '../../examples', example, 'dist/main.js');
  const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([2, expect.stringMatching(/^[^\n]+\n+usage: /)]);
});
