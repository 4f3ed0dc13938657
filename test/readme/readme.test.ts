// Every fenced code block of every README and guide is run: js as it is printed, ts compiled (both on the built packages), sh by bash
// in the README's folder. `npm` lines would run this test again: CI runs those, here their scripts only have to exist.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { ownFiles } from '../support/own-files.ts';
import { type CodeBlock, codeBlocks } from './code-blocks.ts';
import { writeProgram } from './programs.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const scratch = join(root, 'test/readme/out');
const run = promisify(execFile);

const readmes = [...ownFiles('.', /^(README|CONTRIBUTING)\.md$/), ...ownFiles('docs/guides', /\.md$/)];

async function runModule(block: CodeBlock, name: string): Promise<string> {
  mkdirSync(scratch, { recursive: true });
  const file = await writeProgram(scratch, name.replaceAll(/\W+/g, '-'), block);
  const { stderr } = await run(process.execPath, [file], { timeout: 20_000, cwd: scratch });
  return stderr;
}

async function runShell(block: CodeBlock, directory: string): Promise<string> {
  const PATH = `${join(root, 'test/node_modules/.bin')}:${process.env['PATH']}`;
  // What is started in the background does not outlive a block that fails: it would be in the way of the next run.
  const code = `trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n${block.code}`;
  const { stderr } = await run('bash', ['-euo', 'pipefail', '-c', code], {
    timeout: 30_000,
    cwd: directory,
    env: { ...process.env, PATH },
  });
  return stderr;
}

/** npm scripts a shell block names, when it has nothing but npm lines; else undefined. */
function npmScripts(block: CodeBlock): string[] | undefined {
  const lines = block.code.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  const scripts = lines.map((line) => /^npm (?:run )?([\w:-]+)/.exec(line)?.[1]);
  return scripts.every((script) => script !== undefined) ? scripts : undefined;
}

describe.each(readmes)('%s', (readme) => {
  const directory = dirname(join(root, readme));
  const blocks = codeBlocks(join(root, readme)).filter((b) => ['js', 'ts', 'sh'].includes(b.language));

  it('has no fenced block of a language that nobody runs', () => {
    const others = codeBlocks(join(root, readme)).filter(
      (b) => !['js', 'ts', 'sh', 'text'].includes(b.language),
    );
    expect(others).toEqual([]);
  });

  const title = (block: CodeBlock) => `line ${block.line} (${block.language})`;
  const isNpm = (block: CodeBlock) => block.language === 'sh' && npmScripts(block) !== undefined;

  it.each(blocks.filter((block) => !isNpm(block)).map((block) => [title(block), block] as const))(
    '%s runs',
    async (name, block) => {
      const stderr =
        block.language === 'sh'
          ? await runShell(block, directory)
          : await runModule(block, `${readme} ${name}`);
      expect(stderr).not.toMatch(/Error/);
    },
    40_000,
  );

  it.each(blocks.filter(isNpm).map((block) => [title(block), block] as const))(
    '%s names npm scripts that exist',
    (_name, block) => {
      // Of the README's own package; where it has none, npm is to be called in the root.
      const own = join(directory, 'package.json');
      const file = existsSync(own) ? own : join(root, 'package.json');
      const manifest = JSON.parse(readFileSync(file, 'utf8')) as {
        scripts: Record<string, string>;
      };
      const known = [...Object.keys(manifest.scripts), 'install'];
      expect(npmScripts(block)?.filter((script) => !known.includes(script))).toEqual([]);
    },
  );
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

// A README that is not found would make this suite vacuous.
it('looks at the README of every package', () => {
  const packages = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/README.md`);
  expect(packages.filter((file) => !readmes.includes(relative(root, join(root, file))))).toEqual([]);
});
