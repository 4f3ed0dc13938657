// What every build by esbuild has in common.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../workspace.mjs';

/** Dependencies for the sake of their types only: the code comes in, since a module of CommonJS takes longest to load. */
const inside = new Set(['eventemitter3']);

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
    external: [...outside.filter((name) => !name.startsWith('@vio/') && !inside.has(name)), 'vitest'],
    plugins: [siblings(outside)],
    metafile: true,
    write: false,
    logLevel: 'warning',
  };
}

/** What is CommonJS asks for Node's own modules by a function that modules do not have. */
export const requireBanner = {
  js: `import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);`,
};

export const hasCommonJs = ({ metafile }) =>
  Object.values(metafile.inputs).some(({ format }) => format === 'cjs');

/** Siblings stay outside. Both entries of one are in the same file, and so it is imported once. */
function siblings(outside) {
  return {
    name: 'siblings',
    setup({ onResolve }) {
      onResolve({ filter: /^@vio\// }, ({ path }) => {
        const [, name, entry] = /^@vio\/([^/]+)(\/internal)?$/.exec(path) ?? [];
        if (!outside.some((known) => path === known || path.startsWith(`${known}/`))) return undefined;
        const whole = name !== undefined && (entry !== undefined || isLibrary(name));
        return { path: whole ? `@vio/${name}/internal` : path, external: true, sideEffects: false };
      });
    },
  };
}

function isLibrary(name) {
  const file = join(root, 'packages', name, 'package.json');
  return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).exports?.['./internal'] !== undefined;
}
