// Makes one file of a program: each file that a guest opens costs milliseconds.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Plugin, build } from 'esbuild';
import { repository } from './checkout.ts';

const native = join(repository, 'packages/native');

/** What is built already (the command) goes with what is built: its imports of siblings are not those of the sources. */
const built: Plugin = {
  name: 'built',
  setup(bundled) {
    bundled.onResolve({ filter: /^@vio\// }, ({ path, importer }) =>
      /\/dist\/[^/]/.test(importer) ? { path: createRequire(importer).resolve(path) } : undefined,
    );
    // The addon and what most ports do not need lie beside @vio/native's files, the schemas of devargs beside this one.
    bundled.onLoad({ filter: /\/packages\/virtio-user\/dist\/index\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll(
        'import.meta.url',
        JSON.stringify(pathToFileURL(path).href),
      ),
      loader: 'js',
    }));
  },
};

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
    plugins: [built],
    logLevel: 'error',
    // The addon finds its binary beside its own package: the guest sees this machine's files.
    banner: {
      js: `import { createRequire as __createRequire } from 'node:module'; const require = __createRequire('${native}/package.json');`,
    },
    define: { 'import.meta.url': JSON.stringify(`file://${native}/dist/addon.js`) },
  });
}
