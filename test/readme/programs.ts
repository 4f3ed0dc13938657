// Programs printed in Markdown, as somebody has them who pastes them: js runs as it is, ts is compiled first.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { CodeBlock } from './code-blocks.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const run = promisify(execFile);

/** What packages/virtio-user/README.md tells a project of TypeScript to have. */
const compilerOptions = {
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  module: 'nodenext',
  strict: true,
  types: ['node'],
  typeRoots: [join(root, 'node_modules/@types')],
};

/**
 * Writes a block into a folder of modules. A ts block is compiled for the oldest Node, by the strict compiler.
 * @returns the file to run
 * @throws Error with what the compiler said
 */
export async function writeProgram(directory: string, name: string, block: CodeBlock): Promise<string> {
  const source = join(directory, `${name}.${block.language === 'ts' ? 'mts' : 'mjs'}`);
  writeFileSync(source, block.code);
  if (block.language !== 'ts') return source;
  const project = join(directory, `${name}.tsconfig.json`);
  writeFileSync(project, JSON.stringify({ compilerOptions, files: [source] }));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '-p', project], { cwd: directory }).catch((error: { stdout: string }) => {
    throw new Error(error.stdout);
  });
  return source.replace(/\.mts$/, '.mjs');
}

/** The packages of this repository that a program imports. */
export function importedPackages(code: string): string[] {
  return [...new Set(Array.from(code.matchAll(/from '(@vio\/[\w-]+)/g), ([, name]) => name))];
}

/** True when a program is one for Node; those of other languages are run by other means. */
export const isProgram = ({ language }: CodeBlock): boolean => language === 'js' || language === 'ts';
