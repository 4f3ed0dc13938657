// What a release carries for other machines than this one, on such machines: the front page's program and the command line in
// both roles against this machine's; on arm64 the unit tests of the addon and of rings as well.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runBoth } from '../cli/both-roles.ts';
import { codeBlocks } from '../readme/code-blocks.ts';
import { isProgram, writeProgram } from '../readme/programs.ts';
import { arm64Node } from './arm64-node.ts';
import { emulatorLimits } from './emulator-limits.ts';
import { muslBun } from './musl-bun.ts';
import { root } from './prebuilds.ts';

const run = promisify(execFile);
const scratch = join(root, 'test/readme/out');
const directory = mkdtempSync(join(tmpdir(), 'vio-targets-'));
afterAll(() => rmSync(directory, { recursive: true }));

const targets = [
  ['arm64, glibc', 'arm64', async () => (await arm64Node()).node],
  ['x64, musl', 'x64', muslBun],
] as const;

describe.each(targets)('on %s', (name, machine, find) => {
  let runtime: string;
  beforeAll(async () => {
    runtime = await find();
  });

  it('is such a machine', async () => {
    const program = join(directory, 'machine.mjs');
    writeFileSync(program, 'console.log(process.arch);');
    expect((await run(runtime, [program])).stdout).toBe(`${machine}\n`);
  });

  it('runs the program of the front page', async () => {
    mkdirSync(scratch, { recursive: true });
    const block = codeBlocks(join(root, 'README.md')).find(isProgram);
    if (block === undefined) throw new Error('the front page has no program');
    const { stdout } = await run(runtime, [await writeProgram(scratch, 'front-page', block)], {
      cwd: scratch,
    });
    expect(stdout).toMatch(/^(split|packed) .* 1\n$/);
  });

  describe('vio', () => {
    const here = [process.execPath];
    const roles = [
      ['backend', () => [[runtime], here] as const],
      ['port', () => [here, [runtime]] as const],
      ['backend and port', () => [[runtime], [runtime]] as const],
    ] as const;

    it.each(roles)('runs as %s', async (role, sides) => {
      const path = join(directory, `${name}-${role}.sock`.replaceAll(/,? /g, '-'));
      const [ofBackend, ofPort] = sides();
      const { codes, received } = await runBoth(ofBackend, ofPort, path);
      expect(codes).toEqual([0, 0]);
      expect(received).toBeGreaterThan(0);
    });
  });
});

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** Runs the unit tests in processes of arm64, under a runner of this machine: what reads and transforms TypeScript need not be emulated. */
async function units(): Promise<Report> {
  const { named } = await arm64Node();
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const report = join(directory, 'units.json');
  const config = join(import.meta.dirname, 'units/vitest.config.ts');
  const args = ['run', '--config', config, '--reporter=json', `--outputFile.json=${report}`];
  const child = spawn(process.execPath, ['--import', named, vitest, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [said] = await Promise.all([text(child.stderr), once(child, 'close')]);
  if (!existsSync(report)) throw new Error(`vitest has not run: ${said}`);
  return JSON.parse(readFileSync(report, 'utf8')) as Report;
}

describe('unit tests on arm64', () => {
  let report: Report;
  beforeAll(async () => {
    report = await units();
  }, 900_000);

  it.each([
    ['native', 300],
    ['rings', 1000],
  ])('of %s', (packageName, least) => {
    const files = report.testResults.filter(({ name }) => name.includes(`/packages/${packageName}/src/`));
    const impossible = new Set(Object.values(emulatorLimits).flat());
    const failed = files.flatMap(({ name, message, assertionResults }) =>
      assertionResults.length === 0
        ? [`${name}: ${message}`]
        : assertionResults
            .filter(({ status, fullName }) => status === 'failed' && !impossible.has(fullName))
            .map(({ fullName, failureMessages: [reason = ''] }) => `${fullName}: ${reason.slice(0, 300)}`),
    );
    expect(failed).toEqual([]);
    const passed = files.flatMap(({ assertionResults }) =>
      assertionResults.filter(({ status }) => status === 'passed'),
    );
    expect(passed.length).toBeGreaterThan(least);
  });
});
