// What every build by esbuild has in common.
import { existsSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { buildModules, manifestFile, manifestOf, root } from '../workspace.mjs';
import { requiring } from './builtins.mjs';
import { inside } from './inside.mjs';

/** What programs import more than siblings do has all of it in the file that those find first. */
export const forPrograms = new Set(['@vio/virtio-user']);

/**
 * @param {string} directory absolute, of a package
 * @param {{dependencies?: object, peerDependencies?: object}} manifest of it
 */
export function commonOptions(directory, { dependencies, peerDependencies }) {
  const outside = Object.keys({ ...dependencies, ...peerDependencies });
  return {
    absWorkingDir: directory,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    nodePaths: [buildModules],
    external: [...outside.filter((name) => !name.startsWith('@vio/') && !inside.has(name)), 'vitest'],
    plugins: [siblings(outside)],
    metafile: true,
    write: false,
    logLevel: 'warning',
  };
}

/** What is CommonJS asks for other modules by a function that modules do not have. */
export const requireBanner = {
  js: `import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);`,
};

export const asksByRequire = ({ outputFiles }) =>
  outputFiles.some(({ text }) => Array.from(text.matchAll(requiring)).some(([, name]) => !isBuiltin(name)));

const exported = new Map();

/** @returns the names of values that a module exports */
export function exportsOf(options, source) {
  const file = resolve(options.absWorkingDir, source);
  if (!exported.has(file)) exported.set(file, readExports(options, file));
  return exported.get(file);
}

async function readExports(options, file) {
  const { metafile } = await build({ ...options, entryPoints: [file], outdir: 'dist' });
  const [{ exports }] = Object.values(metafile.outputs);
  return exports.toSorted();
}

/** Siblings stay outside. Both entries of one are in the same file, and so it is imported once. */
function siblings(outside) {
  return {
    name: 'siblings',
    setup({ onResolve }) {
      onResolve({ filter: /^@vio\// }, ({ path }) => {
        if (inside.has(path)) return undefined;
        const [, name, entry] = /^@vio\/([^/]+)(\/internal)?$/.exec(path) ?? [];
        if (!outside.some((known) => path === known || path.startsWith(`${known}/`))) return undefined;
        const whole = name !== undefined && (entry !== undefined || isLibrary(name));
        const file = forPrograms.has(`@vio/${name}`) ? `@vio/${name}` : `@vio/${name}/internal`;
        return { path: whole ? file : path, external: true, sideEffects: false };
      });
    },
  };
}

/** @returns text in which imports that a part of a sibling satisfies (`@vio/rings/internal/driver`) are of that part alone */
export async function ofParts(text) {
  const imports = /^(import|export) (\{[^}]*\}) from "@vio\/([^/"]+)\/internal";$/gm;
  const names = new Set(Array.from(text.matchAll(imports), ([, , , name]) => name));
  const parts = new Map(await Promise.all(Array.from(names, async (name) => [name, await partsOf(name)])));
  return text.replaceAll(imports, (all, keyword, list, name) => {
    const wanted = importedNames(list);
    const part = parts.get(name).find((each) => wanted.every((one) => each.names.has(one)));
    return part === undefined ? all : `${keyword} ${list} from "${part.specifier}";`;
  });
}

/** @param {string} list as in `{ a, b as c }` @returns {string[]} what the other file calls them */
export const importedNames = (list) =>
  list
    .replaceAll(/[{}]/g, '')
    .split(',')
    .map((name) => name.trim().split(' as ')[0]);

const known = new Map();

function partsOf(name) {
  if (!known.has(name)) known.set(name, readParts(name));
  return known.get(name);
}

async function readParts(name) {
  const directory = join(root, 'packages', name);
  const manifest = manifestOf(name);
  const entries = Object.entries(manifest.exports).filter(
    ([entry]) => entry.startsWith('./internal/') && !inside.has(`@vio/${name}${entry.slice(1)}`),
  );
  return Promise.all(
    entries.map(async ([entry, target]) => ({
      specifier: `@vio/${name}${entry.slice(1)}`,
      names: new Set(await exportsOf(commonOptions(directory, manifest), target['vio-source'])),
    })),
  );
}

const isLibrary = (name) =>
  existsSync(manifestFile(name)) && manifestOf(name).exports?.['./internal'] !== undefined;
