// The page of error codes is made of the places where errors are made. This looks for codes in another way, as text.
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

interface Cause {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);

const { stdout } = await run(process.execPath, [join(root, 'docs/scripts/error-codes.mjs')], {
  maxBuffer: 1 << 24,
});
const causes = JSON.parse(stdout) as readonly Cause[];

/** Codes as literals, in the sources that are published. */
const literals = readdirSync(join(root, 'packages'))
  .map((name) => join(root, 'packages', name, 'src'))
  .flatMap((sources) =>
    readdirSync(sources, { recursive: true, encoding: 'utf8' }).map((file) => join(sources, file)),
  )
  .filter((file) => file.endsWith('.ts') && !/\.test\.ts$|test-support/.test(file))
  .flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    // Variables of the environment have such names as well.
    const codes = text.matchAll(/(?<!env(?:ironment)?\[)'(VIO_(?:\w*[A-Z\d]))'/g);
    return Array.from(codes, ([, code]) => code);
  });

it('every code in the sources is on the page', () => {
  const documented = new Set(causes.map(({ code }) => code));
  const missing = literals.filter(
    (code) => !documented.has(code) && !(code.startsWith('VIO_SYS_') && documented.has('VIO_SYS_<NAME>')),
  );
  expect(literals.length).toBeGreaterThan(100);
  expect([...new Set(missing)]).toEqual([]);
});

it('every code on the page has a cause and a remedy', () => {
  const empty = causes.filter(({ message, remedy }) => !/\w/.test(message) || !/\w/.test(remedy));
  expect(empty).toEqual([]);
});

it('every remedy says more than is put into it', () => {
  const unknown = causes.filter(({ remedy }) => /^(<em>[^<]*<\/em>)?$/.test(remedy));
  expect(unknown).toEqual([]);
});
