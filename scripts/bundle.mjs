// Makes of each package what is published: one file per entry, so that a program finds and reads few of them. Only what
// `dependencies` names stays outside; what is imported of `devDependencies` comes in, with its licence.
//
//   node scripts/bundle.mjs [PACKAGE_DIRECTORY...]     default: the working directory
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { licences } from './licences.mjs';

const read = (file) => JSON.parse(readFileSync(file, 'utf8'));

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

/** @param {string} directory absolute, of a package */
async function bundle(directory) {
  const manifest = read(join(directory, 'package.json'));
  const outside = { ...manifest.dependencies, ...manifest.peerDependencies };
  const options = {
    absWorkingDir: directory,
    entryPoints: entries(directory, manifest),
    outdir: 'dist',
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    external: [...Object.keys(outside), 'vitest'],
    metafile: true,
    logLevel: 'warning',
  };
  let { metafile } = await build(options);
  // What is CommonJS asks for Node's own modules by a function that modules do not have.
  if (Object.values(metafile.inputs).some(({ format }) => format === 'cjs')) {
    const js = `import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);`;
    ({ metafile } = await build({ ...options, banner: { js } }));
  }
  // Chunks have names of their own; those of the build before are nobody's any more.
  const chunks = join(directory, 'dist/chunks');
  const fresh = new Set(Object.keys(metafile.outputs).map((file) => resolve(directory, file)));
  for (const file of existsSync(chunks) ? readdirSync(chunks) : []) {
    if (!fresh.has(join(chunks, file))) rmSync(join(chunks, file));
  }
  const notices = licences(directory, Object.keys(metafile.inputs));
  const file = join(directory, 'dist/THIRD_PARTY_NOTICES.txt');
  if (notices.length > 0) writeFileSync(file, notices.join('\n---\n\n'));
  else rmSync(file, { force: true });
}

/** Declarations of sources that are gone are left from a build of before: nobody publishes them. */
function dropStale(directory) {
  for (const name of readdirSync(join(directory, 'dist'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.d.ts')) continue;
    if (!existsSync(join(directory, 'src', name.replace(/d\.ts$/, 'ts'))))
      rmSync(join(directory, 'dist', name));
  }
}

/** Says types so that TypeScript 5.6 reads them too: typed arrays have a parameter since 5.7 only. */
function plainTypes(directory) {
  for (const name of readdirSync(join(directory, 'dist'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.d.ts')) continue;
    const file = join(directory, 'dist', name);
    const text = readFileSync(file, 'utf8');
    const plain = text.replaceAll(/\b(\w+Array|DataView)<ArrayBuffer(Like)?>/g, '$1');
    if (plain !== text) writeFileSync(file, plain);
  }
}

const directories = process.argv.length > 2 ? process.argv.slice(2) : ['.'];
await Promise.all(directories.map((directory) => bundle(resolve(directory))));
// There are none yet where only what runs is built.
for (const directory of directories) {
  dropStale(resolve(directory));
  plainTypes(resolve(directory));
}
