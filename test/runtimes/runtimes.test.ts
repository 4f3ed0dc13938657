// The front page's program, the command line in both roles and the examples on runtimes that are not Node. They come from npm;
// VIO_BUN and VIO_DENO name others.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { until } from '@vio/test-support/plain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runBoth } from '../cli/both-roles.ts';
import { vioProgram } from '../support/vio-program.ts';
import { codeBlocks } from '../readme/code-blocks.ts';
import { isProgram, writeProgram } from '../readme/programs.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const sockets = mkdtempSync(join(tmpdir(), 'vio-runtimes-'));
const scratch = join(root, 'test/readme/out');
afterAll(() => rmSync(sockets, { recursive: true }));

/** A program of npm, installed into its cache. @returns where it is */
async function ofNpm(name: string, version: string): Promise<string> {
  const args = ['--yes', `--package=${name}@${version}`, '--', 'sh', '-c', `command -v ${name}`];
  return (await run('npx', args)).stdout.trim();
}

const runtimes = [
  ['Bun', async () => [process.env['VIO_BUN'] ?? (await ofNpm('bun', '1.4.4'))]],
  ['Deno', async () => [process.env['VIO_DENO'] ?? (await ofNpm('deno', '2.9.6')), 'run', '-A']],
] as const;

describe.each(runtimes)('%s', (_name, find) => {
  let command: readonly string[];
  beforeAll(async () => {
    command = await find();
  });

  const on = async (file: string, ...args: string[]): Promise<string> => {
    const [program, ...flags] = command;
    const { stdout } = await run(program, [...flags, file, ...args], { cwd: scratch, timeout: 60_000 });
    return stdout;
  };

  it('runs the program of the front page', async () => {
    mkdirSync(scratch, { recursive: true });
    const block = codeBlocks(join(root, 'README.md')).find(isProgram);
    if (block === undefined) throw new Error('the front page has no program');
    expect(await on(await writeProgram(scratch, 'front-page', block))).toMatch(/^(split|packed) .* 1\n$/);
  });

  it('wakes a port that sleeps', async () => {
    const slept = await on(join(root, 'examples/power-forward/dist/main.js'), '0.3');
    expect(slept).toMatch(/^idle: .* 0 frames, 0 polls$/m);
    expect(slept).toMatch(/^busy: .* [1-9]\d* frames, /m);
  });

  it('has queue pairs in worker threads', async () => {
    const lines = await on(join(root, 'examples/worker-queues/dist/main.js'), '2', '0.3');
    expect(lines.match(/received [1-9]\d*, of other queue pairs 0$/gm)).toHaveLength(2);
  });

  describe('vio', () => {
    const node = [process.execPath];
    const roles = [
      ['backend', () => [command, node] as const],
      ['port', () => [node, command] as const],
      ['backend and port', () => [command, command] as const],
    ] as const;

    it.each(roles)('as %s', async (role, sides) => {
      const path = join(sockets, `${_name}-${role.replaceAll(' ', '-')}.sock`);
      const [ofBackend, ofPort] = sides();
      const { codes, received } = await runBoth(ofBackend, ofPort, path);
      expect(codes).toEqual([0, 0]);
      expect(received).toBeGreaterThan(0);
    });

    it('is looked at, by its socket and by HTTP', async () => {
      const path = join(sockets, `${_name}-seen.sock`);
      const [program, ...flags] = command;
      const places = ['--telemetry', `${path}.telemetry`, '--metrics', `${path}.http`];
      const backend = spawn(program, [...flags, vioProgram, 'backend', path, ...places], { stdio: 'ignore' });
      const ended = once(backend, 'close');
      try {
        await until(() => existsSync(path));
        const scraped = await new Promise<string>((resolve, reject) => {
          request({ socketPath: `${path}.http`, path: '/metrics' }, (answer) => resolve(text(answer)))
            .on('error', reject)
            .end();
        });
        const asking = connect(`${path}.telemetry`);
        asking.write('/info\n');
        const lines: unknown[] = [];
        for await (const line of createInterface({ input: asking })) {
          lines.push(JSON.parse(line));
          if (lines.length === 2) break;
        }
        asking.destroy();
        const { pid } = backend;
        expect(scraped).toContain('\nvio_up 1\n');
        expect(lines).toMatchObject([{ pid }, { result: { pid } }]);
      } finally {
        backend.kill('SIGINT');
        await ended;
      }
    });
  });
});
