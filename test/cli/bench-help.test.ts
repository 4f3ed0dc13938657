// `npm run bench -- --help` is read before a benchmark of half an hour is begun.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const program = fileURLToPath(new URL('../../bench/dist/main.js', import.meta.url));

it('the benchmark states its options', async () => {
  const { stdout, stderr } = await run(process.execPath, [program, '--help']);
  const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--\w+)/gm)].map(([, name]) => name);
  expect([options, stderr]).toEqual([['--quick', '--only', '--ab', '--rounds', '--write', '--help'], '']);
});

it('the benchmark refuses a variation it does not know', async () => {
  await expect(run(process.execPath, [program, '--ab', '{"option": {}}'])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--ab knows devargs, options, env, not option'),
  });
});

it('the benchmark refuses what it does not know', async () => {
  await expect(run(process.execPath, [program, '--fast'])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining("Unknown option '--fast'"),
  });
});
