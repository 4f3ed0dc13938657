// Makes the live page: one script, with the chart library in it, one style sheet, and nothing that a browser has to fetch elsewhere.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { licences } from '../../../scripts/licences.mjs';

const directory = join(import.meta.dirname, '..');
const source = join(directory, 'src/page/browser');
const target = join(directory, 'dist/page');

mkdirSync(target, { recursive: true });
const { metafile } = await build({
  absWorkingDir: directory,
  entryPoints: { page: join(source, 'main.ts') },
  outdir: target,
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  target: ['chrome111', 'firefox113', 'safari16.4'],
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});
for (const file of ['index.html', 'favicon.svg']) copyFileSync(join(source, file), join(target, file));
writeFileSync(
  join(target, 'THIRD_PARTY_NOTICES.txt'),
  licences(directory, Object.keys(metafile.inputs)).join('\n---\n\n'),
);
