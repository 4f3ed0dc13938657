// What a program needs that opens a port is in one file, that of the package which all others import. To find a file, read and link
// it costs a program that starts two to five milliseconds, and four packages were a fifth of all that it took. A file that is there
// passes on its names where it was, so that a class is the same one by whatever name it is imported.
import { join, relative, resolve } from 'node:path';
import { build } from 'esbuild';
import { askingForParts, buildLater, checkStandIns, partFile, partsOf, standingIn } from './later.mjs';
import { manifestOf, root } from '../workspace.mjs';

/** Whose file has them, and by which name. */
const host = { name: '@vio/native', specifier: '@vio/native/internal/port', file: 'dist/port-side.js' };

/** Files of other packages that are in it, in the order in which they import each other. */
const guests = [
  { package: 'rings', specifier: '@vio/rings/internal/driver', file: 'dist/driver-side.js' },
  { package: 'net', specifier: '@vio/net/internal/port', file: 'dist/port-side.js' },
  { package: 'vhost', specifier: '@vio/vhost/internal/frontend', file: 'dist/frontend/index.js' },
];

/**
 * @param {{files: Map<string, string>, inputs: Set<string>}} built of a package by itself; the files are changed
 * @param {Function} buildAlone makes the same of another package
 */
export async function bringTogether(directory, manifest, built, buildAlone) {
  if (manifest.name === host.name) await receive(built, buildAlone);
  const own = guests.filter((guest) => manifest.name === `@vio/${guest.package}`);
  for (const { out } of partsOf(manifest)) built.files.delete(out);
  for (const [file, text] of built.files) {
    const all = own.some((guest) => guest.file === file)
      ? passedOn(namesOf(text), host.specifier)
      : fromHost(text);
    built.files.set(
      file,
      askingForParts(
        own.reduce((linked, guest) => linkedToHost(linked, file, guest), all),
        host.specifier,
      ),
    );
  }
  return built;
}

/** @returns text that imports from the host what is there */
export const fromHost = (text) =>
  guests.reduce(
    (all, { specifier }) => all.replaceAll(` from "${specifier}";`, ` from "${host.specifier}";`),
    text,
  );

/** @returns a file that has nothing but names of another */
export const passedOn = (names, from) => `export {\n  ${names.join(',\n  ')}\n} from "${from}";\n`;

/** Imports of a guest by files of its own package. */
function linkedToHost(text, file, guest) {
  const path = relative(join(file, '..'), guest.file);
  return text.replaceAll(
    ` from "${path.startsWith('.') ? path : `./${path}`}";`,
    ` from "${host.specifier}";`,
  );
}

/** What a file exports that esbuild has made. */
export function namesOf(text) {
  const lists = Array.from(text.matchAll(/^export \{([^}]*)\}/gm), ([, list]) => list.split(','));
  return lists
    .flat()
    .flatMap((each) => each.trim().split(' as ').slice(-1))
    .filter(Boolean);
}

async function receive({ files, inputs }, buildAlone) {
  const texts = new Map([[host.specifier, files.get(host.file)]]);
  const parts = new Map();
  const builds = guests.map(async (guest) => {
    const directory = join(root, 'packages', guest.package);
    const manifest = manifestOf(guest.package);
    return { guest, directory, manifest, ...(await buildAlone(directory, manifest)) };
  });
  for (const { guest, directory, manifest, files: theirs, inputs: used } of await Promise.all(builds)) {
    texts.set(guest.specifier, theirs.get(guest.file));
    for (const { group } of partsOf(manifest))
      parts.set(group, [
        ...(parts.get(group) ?? []),
        linkedToHost(theirs.get(partFile(group)), partFile(group), guest),
      ]);
    for (const input of used) inputs.add(resolve(directory, input));
  }
  const common = {
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    write: false,
    logLevel: 'warning',
  };
  const later = await buildLater(texts, parts, { host: host.specifier, common, namesOf });
  const { outputFiles } = await build({
    ...common,
    stdin: { contents: [...Array.from(texts, reexport), later.contents].join('\n'), resolveDir: root },
    plugins: [
      inMemory(new Map([...texts, ['later:loader', later.loader]])),
      standingIn(() => ({ path: 'later:loader', namespace: 'built' })),
    ],
  });
  const [{ text }] = outputFiles;
  checkStandIns(text);
  files.set(host.file, text);
  for (const [file, contents] of later.files) files.set(file, contents);
}

/** Names all of them: two of one name are an error then. */
const reexport = ([specifier, text]) => `export { ${namesOf(text).join(', ')} } from '${specifier}';`;

function inMemory(texts) {
  return {
    name: 'in-memory',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^@vio\// }, ({ path }) =>
        texts.has(path) ? { path, namespace: 'built', sideEffects: false } : { path, external: true },
      );
      onLoad({ filter: /./, namespace: 'built' }, ({ path }) => ({
        contents: texts.get(path),
        loader: 'js',
      }));
    },
  };
}
