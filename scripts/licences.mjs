// What a bundle owes to those whose code is in it.
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The licence of every foreign package that went into the bundle. */
export function licences(directory, inputs) {
  const roots = inputs.flatMap((file) => {
    const [root] = /^.*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(resolve(directory, file)) ?? [];
    return root === undefined ? [] : [root];
  });
  return [...new Set(roots)].map((root) => {
    const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const file = readdirSync(root).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${name} has no licence to pass on`);
    return `${name} ${version}\n\n${readFileSync(join(root, file), 'utf8').trim()}\n`;
  });
}
