// Node's own modules, as Node has them already. To import one is to have a module made of it, with everything that it exports, and so
// of `node:fs` its promises and its streams, which nobody has asked for.
import { isBuiltin } from 'node:module';

/** What is CommonJS asks for modules by; comments stay in such a call, and break its line. */
export const requiring = /__require\(\s*(?:\/\*[^*]*\*\/\s*)?"([^"]+)"\s*\)/g;

/** @returns text that asks Node for its modules where it imported or required them */
export function askingForBuiltins(text) {
  const asked = text
    .replaceAll(/^import \{([^}]*)\} from "([^"]+)";$/gm, (all, list, name) =>
      isBuiltin(name) ? `const {${list.replaceAll(' as ', ': ')}} = ${asking(name)};` : all,
    )
    .replaceAll(requiring, (all, name) => (isBuiltin(name) ? asking(name) : all));
  // Whoever starts no process need not load what starts them.
  return asked.replaceAll(/^( *)var (\w+) = (.*"node:child_process"\));$/gm, (_, indent, name, module) => {
    const used = new Set(
      Array.from(asked.matchAll(new RegExp(`\\b${name}\\.(\\w+)`, 'g')), ([, part]) => part),
    );
    const parts = Array.from(used, (part) => `get ${part}() { return ${module}.${part}; }`);
    return `${indent}var ${name} = { ${parts.join(', ')} };`;
  });
}

const asking = (name) => `process.getBuiltinModule("${name}")`;
