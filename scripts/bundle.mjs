// Makes of each package what is published: as few files as can be, since to find and read one costs a program that starts two
// milliseconds. Only what `dependencies` names stays outside; what is imported of `devDependencies` comes in, with its licence.
//
//   node scripts/bundle.mjs [PACKAGE_DIRECTORY...]     default: the working directory
//
// A library is one file, `dist/internal.js`, which its siblings import whatever entry of it they name. `dist/index.js` passes on
// the names that are public; of what programs import first it is the other way round. Other entries are files of their own, see
// `bundle/library.mjs`, and what ports need is in one file for all libraries, see `bundle/together.mjs`. A command is split by what it loads
// later, see `bundle/program.mjs`. An example stays as many files as it is, see `bundle/example.mjs`.
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { buildExample } from './bundle/example.mjs';
import { buildLibrary } from './bundle/library.mjs';
import { buildProgram } from './bundle/program.mjs';
import { isStale, writeStamp } from './bundle/stamp.mjs';
import { licences } from './licences.mjs';

const read = (file) => JSON.parse(readFileSync(file, 'utf8'));

function builderOf({ name, exports }) {
  if (name.startsWith('@vio-examples/')) return buildExample;
  return exports?.['./internal'] === undefined ? buildProgram : buildLibrary;
}

/** @param {string} directory absolute, of a package */
async function bundle(directory) {
  if (!isStale(directory)) return;
  const manifest = read(join(directory, 'package.json'));
  const build = builderOf(manifest);
  const { files, inputs } = await build(directory, manifest);
  // Chunks have names of their own; those of the build before are nobody's any more.
  rmSync(join(directory, 'dist/chunks'), { recursive: true, force: true });
  for (const [path, text] of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  const notices = licences(directory, [...inputs]);
  const file = join(directory, 'dist/THIRD_PARTY_NOTICES.txt');
  if (notices.length > 0) writeFileSync(file, notices.join('\n---\n\n'));
  else rmSync(file, { force: true });
  writeStamp(directory, [...files.keys()]);
}

/** Says types so that TypeScript 5.6 reads them too: typed arrays have a parameter since 5.7 only. */
function plainTypes(directory) {
  for (const name of readdirSync(join(directory, 'dist'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.d.ts')) continue;
    const file = join(directory, 'dist', name);
    const text = readFileSync(file, 'utf8');
    const plain = text.replaceAll(/\b(\w+Array|DataView)<ArrayBuffer(Like)?>/g, '$1');
    if (plain === text) continue;
    const { atime, mtime } = statSync(file);
    writeFileSync(file, plain);
    // The compiler would build all over again what builds on it.
    utimesSync(file, atime, mtime);
  }
}

const directories = process.argv.length > 2 ? process.argv.slice(2) : ['.'];
await Promise.all(directories.map((directory) => bundle(resolve(directory))));
// There are none yet where only what runs is built.
for (const directory of directories) plainTypes(resolve(directory));
