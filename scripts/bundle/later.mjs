// What a port has no need of before its first packet is in files of its own, which it loads when it has. Sources know nothing of that:
// they import these modules as any others. Where the port's file calls one of their functions, or makes an object of one of their classes,
// it has a stand-in of the same name, which loads the real one. That is done at once, so that nothing has to be asynchronous for it, and
// nothing can be loaded halfway: by `require`, of a function that is handed what the port's file has, and returns the rest.
import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { build } from 'esbuild';
import { root } from '../workspace.mjs';

/** By the file that they are in, and by package: modules with functions and classes, of which nobody is extended, or has static members. */
const later = {
  packed: {
    rings: [
      'src/driver/packed-ring.ts',
      'src/driver/packed-driver.ts',
      'src/driver/packed-in-order-driver.ts',
    ],
  },
  commands: {
    rings: ['src/driver/command-queue.ts'],
    net: ['src/control/codec.ts', 'src/device/control/control-ring.ts'],
    vhost: ['src/frontend/emulated-control.ts'],
  },
  reading: {
    net: ['src/port/packet-reader.ts', 'src/port/rx-interrupt.ts', 'src/port/web-streams.ts'],
  },
  looks: {
    rings: ['src/dump/dump-ring.ts', 'src/dump/ring-positions.ts', 'src/dump/ring-view.ts'],
    net: [
      'src/capture/capture.ts',
      'src/capture/port-capture.ts',
      'src/device/log-lines.ts',
      'src/port/port-stats.ts',
      'src/telemetry/port-source.ts',
      'src/telemetry/telemetry.ts',
      'src/telemetry/telemetry-server.ts',
    ],
  },
};

/** Of one package, and needing nothing of it: a file of its own, by name. */
const alone = { 'virtio-user': { schemas: 'src/config/schemas.ts' } };

const groups = Object.keys(later);
const mark = 'later:';

/** Of a package, before its parts are in the files that are published. */
export const partFile = (group) => `dist/later/${group}.js`;
const publishedFile = (group) => `dist/later/${group}.cjs`;
/** Exported by the port's file: what is in a file that is loaded later. */
const loaderOf = (group) => `later${group[0].toUpperCase()}${group.slice(1)}`;

/** @returns what of a package is loaded later */
export function partsOf(manifest) {
  const name = manifest.name.replace('@vio/', '');
  return groups
    .filter((group) => later[group][name] !== undefined)
    .map((group) => ({
      group,
      out: partFile(group),
      sources: later[group][name].map((file) => `./${file}`),
    }));
}

/** Leaves to be resolved what is loaded later. @param own the group that is being built */
export function postponed(options, parts, own) {
  const others = new Map(
    parts
      .filter(({ group }) => group !== own)
      .flatMap(({ group, sources }) =>
        sources.map((source) => [resolve(options.absWorkingDir, source), group]),
      ),
  );
  return {
    name: 'postponed',
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
        const file = resolve(resolveDir, path);
        const group = others.get(file);
        if (group === undefined) return undefined;
        return { path: `${mark}${group}:${relative(root, file)}`, external: true, sideEffects: false };
      });
    },
  };
}

/** @returns text in which what is loaded later is asked for where it was imported */
export function askingForParts(text, host) {
  const asked = new Set();
  return text.replaceAll(
    /^(import|export) \{([^}]*)\} from "(?:\.\.?\/)+later\/(\w+)\.js";$/gm,
    (_, keyword, list, group) => {
      if (keyword === 'export') throw new Error(`${list} of ${group} is passed on, and not loaded`);
      const load = loaderOf(group);
      const taken = `const {${list.replaceAll(' as ', ': ')}} = ${load}();`;
      if (asked.has(load)) return taken;
      asked.add(load);
      return `import { ${load} } from "${host}";\n${taken}`;
    },
  );
}

/** The names of stand-ins that a module has: those of its functions and classes. */
const standInsOf = (file) =>
  Array.from(
    readFileSync(file, 'utf8').matchAll(/^export (?:async )?(?:function\*?|class) (\w+)/gm),
    ([, name]) => name,
  );

function standIns(group, file) {
  const load = loaderOf(group);
  const each = (name) =>
    `export function ${name}(...given) {
      return new.target === undefined ? ${load}().${name}(...given) : Reflect.construct(${load}().${name}, given);
    }`;
  return [`import { ${load} } from '${mark}loader';`, ...standInsOf(file).map(each)].join('\n');
}

/**
 * @param {Map<string, string>} texts of what is in the port's file, by specifier
 * @param {Map<string, string[]>} parts by group, the texts of the packages
 * @param plugin resolves what is in the port's file
 * @returns the file of each group, and what the port's file has to load them by
 */
export async function buildLater(texts, parts, { host, common, namesOf }) {
  const files = new Map();
  const loaders = [];
  for (const [group, own] of parts) {
    const modules = new Map(own.map((text, i) => [`part:${i}`, text]));
    const { outputFiles } = await build({
      ...common,
      stdin: {
        contents: Array.from(
          modules,
          ([path, text]) => `export { ${namesOf(text).join(', ')} } from '${path}';`,
        ).join('\n'),
      },
      plugins: [
        {
          name: 'parts',
          setup({ onResolve, onLoad }) {
            onResolve({ filter: /^part:/ }, ({ path }) => ({ path, namespace: 'part', sideEffects: false }));
            onLoad({ filter: /./, namespace: 'part' }, ({ path }) => ({
              contents: modules.get(path),
              loader: 'js',
            }));
            onResolve({ filter: /^@vio\// }, ({ path }) => ({
              path: texts.has(path) ? host : path,
              external: true,
            }));
          },
        },
        standingIn(() => ({ path: host, external: true })),
      ],
    });
    const handed = new Set();
    const text = outputFiles[0].text
      .replaceAll(/^import \{([^}]*)\} from "([^"]+)";$/gm, (all, list, from) => {
        if (from !== host) throw new Error(`what is loaded later cannot import ${from}`);
        for (const each of list.split(',')) handed.add(each.trim().split(' as ')[0]);
        return `const {${list.replaceAll(' as ', ': ')}} = port;`;
      })
      .replaceAll(/^export \{([^}]*)\};$/gm, (_, list) => {
        const names = list.split(',').map((each) => each.trim().split(' as '));
        return `return { ${names.map(([name, alias = name]) => `${alias}: ${name}`).join(', ')} };`;
      });
    files.set(publishedFile(group), `'use strict';\nmodule.exports = (port) => {\n${text}};\n`);
    loaders.push({ group, handed });
  }
  const wanted = new Set(loaders.flatMap(({ handed }) => [...handed]));
  const imports = Array.from(texts, ([specifier, text]) => {
    const names = namesOf(text).filter((name) => wanted.has(name));
    return names.length === 0 ? '' : `import { ${names.join(', ')} } from '${specifier}';`;
  });
  const own = loaders.map(({ group }) => loaderOf(group));
  return {
    files,
    loader: loaderText(loaders),
    /** What the port's file has besides its own. */
    contents: [
      ...imports,
      `import { handOver, ${own.join(', ')} } from '${mark}loader';`,
      `handOver(() => ({ ${[...wanted].filter((name) => !own.includes(name)).join(', ')} }));`,
      `export { ${own.join(', ')} };`,
    ].join('\n'),
  };
}

/** It imports nothing: what it hands on is evaluated in the order in which that was. */
function loaderText(loaders) {
  const each = ({ group }) => `let ${group}Parts;
    export function ${loaderOf(group)}() {
      return (${group}Parts ??= later('./later/${group}.cjs'));
    }`;
  return `let handed;
    export function handOver(port) {
      handed = port;
    }
    function later(file) {
      return process.getBuiltinModule('node:module').createRequire(import.meta.url)(file)(handed());
    }
    ${loaders.map(each).join('\n')}`;
}

/** @param resolveLoader where the stand-ins find what loads */
export function standingIn(resolveLoader) {
  return {
    name: 'standing-in',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^later:loader$/ }, resolveLoader);
      onResolve({ filter: /^later:/ }, ({ path }) => ({ path, namespace: 'stand-in', sideEffects: false }));
      onLoad({ filter: /./, namespace: 'stand-in' }, ({ path }) => {
        const [, group, file] = /^later:(\w+):(.*)$/.exec(path);
        return { contents: standIns(group, join(root, file)), loader: 'js' };
      });
    },
  };
}

/** A stand-in can be called and made objects of, and nothing else. */
export function checkStandIns(text) {
  for (const [, name] of text.matchAll(/^function (\w+)\(\.\.\.given\) \{$/gm)) {
    const use = new RegExp(
      `^.*(?:\\b(?:extends|instanceof) ${name}\\b|(?<![\\w.$"'\`])${name}\\.).*$`,
      'm',
    ).exec(text);
    if (use !== null) throw new Error(`${name} cannot be loaded later: ${use[0].trim()}`);
  }
}

/** @returns the files of a package that need nothing of it, what went into them, and the plugin that has them loaded */
export async function buildStandalone(options, manifest) {
  const files = new Map();
  const inputs = new Set();
  const names = new Map();
  for (const [name, source] of Object.entries(alone[manifest.name.replace('@vio/', '')] ?? {})) {
    const { outputFiles, metafile } = await build({
      ...options,
      format: 'cjs',
      entryPoints: [source],
      outfile: join(options.absWorkingDir, publishedFile(name)),
    });
    files.set(publishedFile(name), outputFiles[0].text);
    for (const input of Object.keys(metafile.inputs)) inputs.add(input);
    names.set(join(options.absWorkingDir, source), name);
  }
  return { files, inputs, plugin: loadingAlone(names) };
}

function loadingAlone(names) {
  return {
    name: 'loading-alone',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
        const file = resolve(resolveDir, path);
        return names.has(file)
          ? { path: relative(root, file), namespace: 'alone', sideEffects: false }
          : undefined;
      });
      onLoad({ filter: /./, namespace: 'alone' }, ({ path }) => {
        const file = join(root, path);
        const each = (name) =>
          `export function ${name}(...given) { return load('./later/${names.get(file)}.cjs').${name}(...given); }`;
        const contents = `import { createRequire } from 'node:module';
          function load(file) { return createRequire(import.meta.url)(file); }
          ${standInsOf(file).map(each).join('\n')}`;
        return { contents, loader: 'js' };
      });
    },
  };
}
