// A library as one file, and its other entries beside it: a module is in the first file that needs it, and later files import
// it from there, so that a class is the same one at every entry.
import { readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { build } from 'esbuild';
import { askingForBuiltins, refusingOldNodes } from './builtins.mjs';
import { inside } from './inside.mjs';
import {
  commonOptions,
  exportsOf,
  forPrograms,
  asksByRequire,
  importedNames,
  ofParts,
  requireBanner,
} from './options.mjs';
import { buildStandalone, partsOf, postponed } from './later.mjs';
import { bringTogether, namesOf, passedOn } from './together.mjs';

/** What only tests need comes after the whole. Other entries, which are there to load little, come before it. */
const after = new Set(['./testing']);
const whole = 'dist/internal.js';

/**
 * @param {string} directory absolute, of a package
 * @returns what to write, by path in the package, and what went into it
 */
export async function buildLibrary(directory, manifest) {
  return bringTogether(directory, manifest, await buildAlone(directory, manifest), buildAlone);
}

/** Of this process, by directory: the host of what is brought together needs again what its guests are built of. */
const built = new Map();

async function buildAlone(directory, manifest) {
  if (!built.has(directory)) built.set(directory, buildAnew(directory, manifest));
  const { files, inputs } = await built.get(directory);
  // Whoever has them changes them.
  return { files: new Map(files), inputs: new Set(inputs) };
}

async function buildAnew(directory, manifest) {
  const { '.': index, './internal': internal, ...others } = manifest.exports;
  const sources = [index, internal].map((target) => target['vio-source']);
  const plain = Object.entries(others)
    .filter(([, target]) => target['vio-source'] !== undefined)
    .map(([entry, target]) => ({
      entry,
      out: target.default.slice(2),
      sources: [target['vio-source']],
      // The whole has what is in such an entry again, and so is no file longer.
      apart: inside.has(`${manifest.name}${entry.slice(1)}`),
    }));
  const parts = partsOf(manifest);
  const order = [
    ...plain.filter(({ entry }) => !after.has(entry)).map((each) => ({ ...each, before: !each.apart })),
    ...parts,
    { out: whole, sources },
    ...plain.filter(({ entry }) => after.has(entry)),
  ];
  // What later files turn out to need of earlier ones is exported by these the second time.
  const wanted = new Map(order.map(({ out }) => [out, new Map()]));
  const common = commonOptions(directory, manifest);
  const standing = await buildStandalone(common, manifest);
  const options = { ...common, plugins: [standing.plugin, ...common.plugins] };
  const [first, names] = await Promise.all([
    buildInOrder(options, order, wanted, parts),
    exportsOf(options, index['vio-source']),
  ]);
  const again = [...wanted.values()].some((needs) => needs.size > 0);
  const { files, inputs } = again ? await buildInOrder(options, order, wanted, parts) : first;
  for (const [file, text] of standing.files) files.set(file, text);
  for (const input of standing.inputs) inputs.add(input);
  const entry = index.default.slice(2);
  if (forPrograms.has(manifest.name)) {
    // Names for siblings are there as well, which no declaration tells of.
    files.set(entry, files.get(whole));
    files.set(whole, passedOn(namesOf(files.get(entry)), `./${basename(entry)}`));
  } else {
    files.set(entry, passedOn(names, `./${basename(whole)}`));
  }
  return { files, inputs };
}

async function buildInOrder(options, order, wanted, parts) {
  const owners = new Map();
  const files = new Map();
  const inputs = new Set();
  for (const { out, sources, apart, before, group } of order) {
    const waits = before || group !== undefined ? [postponed(options, parts, group)] : [];
    const result = await buildOne(
      { ...options, plugins: [...waits, ...options.plugins] },
      apart ? new Map() : owners,
      out,
      entryText(sources, wanted.get(out)),
    );
    const [{ text }] = result.outputFiles;
    files.set(out, refusingOldNodes(askingForBuiltins(await ofParts(linked(text, owners, wanted, out)))));
    const [{ inputs: contents }] = Object.values(result.metafile.outputs);
    for (const [input, { bytesInOutput }] of Object.entries(contents)) {
      inputs.add(input);
      const file = resolve(options.absWorkingDir, input);
      // What only passes on names is nobody's.
      if (bytesInOutput > 0 && !apart && !owners.has(file)) owners.set(file, out);
    }
  }
  inputs.delete('<stdin>');
  return { files, inputs };
}

function entryText(sources, more) {
  const names = [...more].map(([file, list]) => `export { ${[...list].join(', ')} } from '${file}';`);
  return [...sources.map((source) => `export * from '${source}';`), ...names].join('\n');
}

async function buildOne(options, owners, out, contents) {
  const all = {
    ...options,
    stdin: { contents, resolveDir: options.absWorkingDir, sourcefile: basename(out) },
    outfile: join(options.absWorkingDir, out),
    plugins: [owned(owners), readable(options), ...options.plugins],
  };
  const result = await build(all);
  return asksByRequire(result) ? build({ ...all, banner: requireBanner }) : result;
}

const mark = 'owned:';

/** What is in an earlier file stays there. */
function owned(owners) {
  return {
    name: 'owned',
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
        const file = resolve(resolveDir, path);
        if (!owners.has(file)) return undefined;
        return { path: `${mark}${file}`, external: true, sideEffects: false };
      });
    },
  };
}

/** Declarations have them; they are a seventh of what is installed, read and scanned at every start. */
const docstrings = /^[ \t]*\/\*\*(?:[^*]|\*(?!\/))*\*\/[ \t]*\n/gm;

/**
 * Reads modules without docstrings, and says which names are passed on where all are: of what is in an earlier file, only that file
 * would know.
 */
function readable(options) {
  return {
    name: 'readable',
    setup({ onLoad }) {
      onLoad({ filter: /\/src\/.*\.ts$/, namespace: 'file' }, async ({ path }) => {
        let contents = readFileSync(path, 'utf8').replaceAll(docstrings, '');
        for (const [star, from] of contents.matchAll(/^export \* from '(\..*)';$/gm)) {
          const names = await exportsOf(options, resolve(dirname(path), from));
          contents = contents.replace(star, `export { ${names.join(', ')} } from '${from}';`);
        }
        return { contents, loader: 'ts' };
      });
    },
  };
}

/** Imports of modules become imports of the files that have them; which names they are is noted. */
function linked(text, owners, wanted, out) {
  const links = text.replaceAll(
    /^(import|export) \{([^}]*)\} from "owned:([^"]+)";$/gm,
    (_, keyword, list, file) => {
      const owner = owners.get(file);
      const more = wanted.get(owner);
      more.set(file, new Set([...(more.get(file) ?? []), ...importedNames(list)]));
      const path = relative(dirname(out), owner);
      return `${keyword} {${list}} from "${path.startsWith('.') ? path : `./${path}`}";`;
    },
  );
  const left = links.match(/^.*"owned:.*$/m);
  if (left !== null) throw new Error(`${out} cannot be linked: ${left[0]}`);
  return links;
}
