// Takes away what a build of before left behind. A build that turbo restores from its cache adds files to those that are there, and
// the cache keeps what lay beside them: all of it would be published.
//
//   node scripts/bundle/leftovers.mjs [PACKAGE_DIRECTORY...]     default: all packages of this clone
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { root } from '../workspace.mjs';
import { hideDeclarations } from './declarations.mjs';

/** Chunks that no file imports: their names change with their content. @param {string} dist absolute, of a package */
function dropChunks(dist) {
  const chunks = join(dist, 'chunks');
  if (!existsSync(chunks)) return;
  const scripts = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.js'),
  );
  const used = new Set();
  const open = scripts.map((name) => join(dist, name)).filter((file) => dirname(file) !== chunks);
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (used.has(file) || !existsSync(file)) continue;
    used.add(file);
    // Whether it is an import or only looks like one: what is named is kept.
    for (const [, path] of readFileSync(file, 'utf8').matchAll(/["'](\.\.?\/[^"'\s]+\.js)["']/g))
      open.push(resolve(dirname(file), path));
  }
  for (const name of readdirSync(chunks)) if (!used.has(join(chunks, name))) rmSync(join(chunks, name));
  if (readdirSync(chunks).length === 0) rmSync(chunks, { recursive: true });
}

const filesOf = (dist) => readdirSync(dist, { recursive: true, encoding: 'utf8' });

/** No build makes maps: what has one was compiled, where everything is bundled now. @param {string} dist absolute, of a package */
function dropCompiled(dist) {
  for (const map of filesOf(dist).filter((name) => name.endsWith('.map'))) {
    const compiled = join(dist, map.slice(0, -'.map'.length));
    const itsMap = `//# sourceMappingURL=${basename(map)}`;
    if (
      map.endsWith('.js.map') &&
      existsSync(compiled) &&
      readFileSync(compiled, 'utf8').trimEnd().endsWith(itsMap)
    )
      rmSync(compiled);
    rmSync(join(dist, map));
  }
}

/** Declarations of sources that are gone. @param {string} directory absolute, of a package */
function dropDeclarations(directory) {
  const dist = join(directory, 'dist');
  for (const name of filesOf(dist).filter((file) => file.endsWith('.d.ts')))
    if (!existsSync(join(directory, 'src', name.replace(/d\.ts$/, 'ts')))) rmSync(join(dist, name));
}

const packages = join(root, 'packages');
const given = process.argv.slice(2);
const directories = given.length > 0 ? given : readdirSync(packages).map((name) => join(packages, name));
for (const directory of directories.map((name) => resolve(name))) {
  const dist = join(directory, 'dist');
  if (!existsSync(dist)) continue;
  dropCompiled(dist);
  dropDeclarations(directory);
  dropChunks(dist);
  hideDeclarations(directory);
}
