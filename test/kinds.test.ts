// Nobody asks of what class something of ours is, to do this or that with it: what it can do, it says itself (CONTRIBUTING.md).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ownFiles } from './support/own-files.ts';

const root = join(import.meta.dirname, '..');

/** Classes that may be asked for, and why. */
const known: ReadonlyMap<string, string> = new Map([
  ['CniError', 'errors that are caught'],
  ['CommandFailure', 'errors that are caught'],
  ['SwitchCallError', 'errors that are caught'],
  ['AnswerWithFd', 'an answer to a message, which may be anything'],
  ['Failed', 'an answer to a line, which may be anything'],
  ['LineParts', 'an answer to a line, which may be anything'],
  ['LineStream', 'an answer to a line, which may be anything'],
  ['BufferPool', 'an option of the application, which may be anything'],
]);

const sources = ownFiles('packages', /\.ts$/)
  .filter((file) => /\/src\//.test(file) && !/\.test\.ts$|\/test-support\//.test(file))
  .map((file) => [file, readFileSync(join(root, file), 'utf8')] as const);
const ours = new Set(
  sources.flatMap(([, text]) =>
    Array.from(text.matchAll(/^(?:export )?(?:abstract )?class (\w+)/gm), ([, name]) => name),
  ),
);

const asked = sources.flatMap(([file, text]) =>
  Array.from(text.matchAll(/\binstanceof (\w+)/g), ([, name]) => ({ file, name })).filter(({ name }) =>
    ours.has(name),
  ),
);

it('no source asks of what class a thing of ours is', () => {
  expect(asked.filter(({ name }) => !known.has(name))).toEqual([]);
});

it('every exception is one', () => {
  const used = new Set(asked.map(({ name }) => name));
  expect([...known.keys()].filter((name) => !used.has(name))).toEqual([]);
});
