import { existsSync } from 'node:fs';

/**
 * A file of this package's `dist`: in a folder above this module, whose place in the build is the build's business.
 * @param name as in `worker.js`
 * @throws Error when the package is not built
 */
export function distFile(name: string): URL {
  for (let from = new URL('.', import.meta.url); ; from = new URL('..', from)) {
    const file = new URL(`dist/${name}`, from);
    if (existsSync(file)) return file;
    if (from.pathname === '/') throw new Error(`dist/${name} is not built`);
  }
}
