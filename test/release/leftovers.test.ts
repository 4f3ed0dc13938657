// What turbo restores is added to what is there: what a build of before wrote is taken away, what is imported is not.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchDirectory } from '@vio/test-support';
import { expect, it } from 'vitest';
import { root } from '../install/tarballs.ts';

const scratch = scratchDirectory();

/** A package of these scripts, after leftovers were dropped. @returns its `dist` */
function cleaned(name: string, scripts: Readonly<Record<string, string>>): string {
  const dist = join(scratch, name, 'dist');
  mkdirSync(join(dist, 'chunks'), { recursive: true });
  for (const [path, text] of Object.entries(scripts)) writeFileSync(join(dist, path), text);
  execFileSync(process.execPath, [join(root, 'scripts/bundle/leftovers.mjs'), join(scratch, name)]);
  return dist;
}

it('chunks stay that a file imports, at once or later, or that such a chunk imports', () => {
  const dist = cleaned('used', {
    'main.js': `import { a } from "./chunks/a.js";\nconst later = () => import("./chunks/later.js");`,
    'chunks/a.js': 'import {\n  b\n} from "./b.js";',
    'chunks/b.js': '',
    'chunks/later.js': 'export * from "../main.js";',
  });
  expect(readdirSync(join(dist, 'chunks')).toSorted()).toEqual(['a.js', 'b.js', 'later.js']);
});

it('chunks go that only such ones import as nobody imports', () => {
  const dist = cleaned('unused', {
    'main.js': 'import "./chunks/new.js";',
    'chunks/new.js': '',
    'chunks/old.js': 'import "./older.js";',
    'chunks/older.js': 'import "./old.js";',
  });
  expect(readdirSync(join(dist, 'chunks'))).toEqual(['new.js']);
});

it('the folder goes when none is left, and files beside it stay', () => {
  const dist = cleaned('none', { 'main.js': '', 'chunks/old.js': '' });
  expect([existsSync(join(dist, 'chunks')), readdirSync(dist)]).toEqual([false, ['main.js']]);
});

it('what was compiled goes with its map, and what is bundled beside it stays', () => {
  const dist = cleaned('compiled', {
    'main.js': 'export {};',
    'old.js': 'export {};\n//# sourceMappingURL=old.js.map\n',
    'old.js.map': '{}',
    'main.js.map': '{}',
    'old.d.ts.map': '{}',
  });
  expect(readdirSync(dist).toSorted()).toEqual(['main.js']);
});

it('a declaration goes whose source is gone', () => {
  const source = join(scratch, 'declared/src');
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'main.ts'), '');
  const dist = cleaned('declared', { 'main.d.ts': '', 'gone.d.ts': '' });
  expect(readdirSync(dist).filter((name) => name.endsWith('.d.ts'))).toEqual(['main.d.ts']);
});
