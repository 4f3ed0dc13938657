// Makes one file of a program: each file that a guest opens costs milliseconds.
import { join } from 'node:path';
import { build } from 'esbuild';
import { repository } from './checkout.ts';

const native = join(repository, 'packages/native');

/** @param entry a TypeScript file @param outfile for Node, which finds the addon where this checkout is */
export async function bundle(entry: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    conditions: ['vio-source'],
    logLevel: 'error',
    // The addon finds its binary beside its own package: the guest sees this machine's files.
    banner: {
      js: `import { createRequire as __createRequire } from 'node:module'; const require = __createRequire('${native}/package.json');`,
    },
    define: { 'import.meta.url': JSON.stringify(`file://${native}/dist/addon.js`) },
  });
}
