import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** Folders that hold what others wrote or what was built. Links in node_modules lead round and round. */
const notOurs = /(^|\/)(node_modules|\.turbo|\.git|dist|out)$|^packages\/cli\/examples$/;

/**
 * The repository's own files.
 * @param directory relative to the root @param name what the last part of a path is to match
 * @returns paths relative to the root
 */
export function ownFiles(directory: string, name: RegExp): string[] {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return notOurs.test(path) ? [] : ownFiles(path, name);
    return name.test(entry.name) ? [path] : [];
  });
}
