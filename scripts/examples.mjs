// Makes of the examples what the command line gives away: folders that install and run anywhere, with version ranges
// where the repository has its workspace.
//
//   node scripts/examples.mjs     writes packages/cli/examples/
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const read = (...path) => JSON.parse(readFileSync(join(root, ...path), 'utf8'));
const write = (file, value) => writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);

const { version, devDependencies, homepage } = read('package.json');
const repository = `${homepage.replace('#readme', '')}/tree/main`;
/** What only a tree of projects needs, or a library. */
const ofTrees = new Set(['composite', 'declaration']);
const compilerOptions = Object.fromEntries(
  Object.entries(read('tsconfig.base.json').compilerOptions).filter(([option]) => !ofTrees.has(option)),
);
const destination = join(root, 'packages/cli/examples');

const building = `## In this folder

\`npm install\`, then \`npm run build\` after every change. \`npm start -- ARGUMENTS\` builds and runs it.
`;

rmSync(destination, { recursive: true, force: true });
for (const name of readdirSync(join(root, 'examples'))) {
  const from = join(root, 'examples', name);
  if (!existsSync(join(from, 'package.json'))) continue;
  const to = join(destination, name);
  mkdirSync(to, { recursive: true });
  for (const part of readdirSync(from)) {
    if (part === 'src' || /\.(md|sh|pcap)$/.test(part))
      cpSync(join(from, part), join(to, part), { recursive: true });
  }
  // Whoever has the folder alone finds the rest in the repository, and has built nothing.
  const readme = join(to, 'README.md');
  const text = readFileSync(readme, 'utf8')
    .replaceAll('](../../', `](${repository}/`)
    .replaceAll('](../', `](${repository}/examples/`);
  writeFileSync(readme, `${text}\n${building}`);
  const { description, license, dependencies } = read('examples', name, 'package.json');
  write(join(to, 'package.json'), {
    name: `vio-example-${name}`,
    version: '0.0.0',
    private: true,
    description,
    license,
    type: 'module',
    scripts: { build: 'tsc', prestart: 'tsc', start: 'node dist/main.js' },
    dependencies: Object.fromEntries(
      Object.keys(dependencies).map((dependency) => [dependency, `^${version}`]),
    ),
    devDependencies: { '@types/node': devDependencies['@types/node'], typescript: '>=5.9.0 <8' },
  });
  write(join(to, 'tsconfig.json'), {
    compilerOptions: { ...compilerOptions, rootDir: 'src', outDir: 'dist' },
    include: ['src'],
  });
}
