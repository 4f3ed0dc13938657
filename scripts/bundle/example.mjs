// An example, file by file: types are taken off, and nothing is checked. `npm start` runs it after that; the compiler, which checks,
// is ten times as much to download.
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { build } from 'esbuild';

/** Imports of files beside a file: in what is built their names end otherwise. */
const besides = /\bfrom "(\.\.?\/[^"]+)\.ts"/g;

/**
 * @param {string} directory absolute, of an example
 * @returns what to write, by path in the example, and what went into it
 */
export async function buildExample(directory) {
  const sources = readdirSync(join(directory, 'src')).map((name) => `src/${name}`);
  const { outputFiles } = await build({
    absWorkingDir: directory,
    entryPoints: sources,
    outdir: 'dist',
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    write: false,
    logLevel: 'warning',
  });
  const files = outputFiles.map(({ path, text }) => [
    relative(directory, path),
    text.replaceAll(besides, 'from "$1.js"'),
  ]);
  return { files: new Map(files), inputs: new Set(sources) };
}
