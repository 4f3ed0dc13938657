// A command, or a package without siblings that import it: what several of its files need is in chunks.
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { build } from 'esbuild';
import { askingForBuiltins, refusingOldNodes } from './builtins.mjs';
import { asksByRequire, commonOptions, ofParts, requireBanner } from './options.mjs';
import { fromHost } from './together.mjs';

/** The sources of a command's programs: what is started, and what its threads are. */
const programs = {
  '.': { 'vio-source': './src/main.ts', default: './dist/main.js' },
  './worker': { 'vio-source': './src/worker.ts', default: './dist/worker.js' },
};

/** The sources of a package's entries by what they become: those of `exports`, or the programs of a command. */
function entries(directory, { exports = programs }) {
  const built = Object.values(exports).filter(
    (target) =>
      target['vio-source'] !== undefined &&
      (exports !== programs || existsSync(join(directory, target['vio-source']))),
  );
  return Object.fromEntries(
    built.map((target) => [target.default.replace(/^\.\/dist\/|\.js$/g, ''), target['vio-source']]),
  );
}

/**
 * @param {string} directory absolute, of a package
 * @returns what to write, by path in the package, and what went into it
 */
export async function buildProgram(directory, manifest) {
  const options = {
    ...commonOptions(directory, manifest),
    entryPoints: entries(directory, manifest),
    outdir: 'dist',
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
  };
  let result = await build(options);
  const asks = asksByRequire(result);
  if (asks) result = await build({ ...options, banner: requireBanner });
  const files = new Map();
  for (const { path, text } of result.outputFiles) {
    const file = relative(directory, path);
    const asking = askingForBuiltins(fromHost(await ofParts(text)));
    // A command has looked before it loads any of them.
    files.set(file, manifest.exports === undefined ? asking : refusingOldNodes(asking));
    if (!asks && files.get(file).includes('__require(')) throw new Error(`${file} requires in vain`);
  }
  return {
    files,
    inputs: new Set(Object.keys(result.metafile.inputs)),
  };
}
