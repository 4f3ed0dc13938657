import { existsSync, readFileSync } from 'node:fs';

/** The manifest of this package: in a folder above this module, whose place in the build is the build's business. */
function manifest(from: URL): { readonly version: string } {
  const file = new URL('../package.json', from);
  if (!existsSync(file)) return manifest(new URL('..', from));
  return JSON.parse(readFileSync(file, 'utf8')) as { version: string };
}

/** Of this package. */
export const { version } = manifest(new URL(import.meta.url));
