// Makes dist/vio-cni.cjs, the plugin in one file without dependencies, installed on a node as `vio-cni`: CommonJS, because such a
// file needs neither a suffix nor a package.json beside it.
import { chmodSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const directory = fileURLToPath(new URL('..', import.meta.url));
await build({
  absWorkingDir: directory,
  entryPoints: ['src/main.ts'],
  outfile: 'dist/vio-cni.cjs',
  bundle: true,
  minify: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20.19',
  conditions: ['vio-source'],
  banner: { js: '#!/usr/bin/env node' },
  logLevel: 'warning',
});
chmodSync(`${directory}dist/vio-cni.cjs`, 0o755);
