import { expect, it } from 'vitest';
import { runChild } from './test-support/child.ts';

it('what application code throws is told once, after what was going on', async () => {
  const { stdout, end } = await runChild(`
    const order = [];
    process.on('uncaughtException', (error) => order.push(error));
    native.callApplication(() => { throw 'thrown'; });
    native.callApplication(() => order.push('the next one'));
    order.push('done');
    setImmediate(() => print(order));`);
  expect([JSON.parse(stdout), end]).toEqual([['the next one', 'done', 'thrown'], 0]);
});

it('without anybody who listens it ends the process, as in any callback of Node', async () => {
  const { stderr, end } = await runChild(`native.callApplication(() => { throw new Error('mine'); });`);
  expect([end, stderr.includes('Error: mine')]).toEqual([1, true]);
});
