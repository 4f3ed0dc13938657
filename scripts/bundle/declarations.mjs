// Declarations that no entry of a package leads to are of modules inside the bundle: a compiler in this clone may want them, whoever
// installs the package does not, and they would be a twentieth of what an installation takes.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** Has `dist/.npmignore` name them, which packing looks at. @param {string} directory absolute, of a package */
export function hideDeclarations(directory) {
  const file = join(directory, 'package.json');
  if (!existsSync(file)) return;
  const { exports: inClone = {}, publishConfig } = JSON.parse(readFileSync(file, 'utf8'));
  const entries = Object.values(publishConfig?.exports ?? inClone);
  const open = entries.flatMap(({ types }) => (types === undefined ? [] : [resolve(directory, types)]));
  const reached = new Set();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (reached.has(next) || !existsSync(next)) continue;
    reached.add(next);
    // Whether it is an import or only looks like one: what is named is kept.
    for (const [, path] of readFileSync(next, 'utf8').matchAll(/["'](\.\.?\/[^"'\s]+?)(?:\.[jt]s)?["']/g))
      open.push(`${resolve(dirname(next), path)}.d.ts`);
  }
  const dist = join(directory, 'dist');
  const hidden = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.d.ts') && !reached.has(join(dist, name)),
  );
  writeFileSync(join(dist, '.npmignore'), hidden.map((name) => `/${name}\n`).join(''));
}
