// Takes away chunks that no file imports. Their names change with their content, and a build that turbo restores from its cache
// adds files to those that are there: what a build of before wrote would stay, and be published.
//
//   node scripts/bundle/leftovers.mjs [PACKAGE_DIRECTORY...]     default: all packages of this clone
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { root } from '../workspace.mjs';

/** @param {string} dist absolute, of a package */
function dropLeftovers(dist) {
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

const packages = join(root, 'packages');
const given = process.argv.slice(2);
const directories = given.length > 0 ? given : readdirSync(packages).map((name) => join(packages, name));
for (const directory of directories) dropLeftovers(join(resolve(directory), 'dist'));
