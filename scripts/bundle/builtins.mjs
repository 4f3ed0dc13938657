// Node's own modules, as Node has them already. To import one is to have a module made of it, with everything that it exports, and so
// of `node:fs` its promises and its streams, which nobody has asked for.
import { isBuiltin } from 'node:module';
import { nodeProblem } from '../../packages/native/scripts/machine.mjs';

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

/** What the port's file says to a Node that cannot be asked for modules; it is looked at before whatever imports it. */
const refusal = JSON.stringify(nodeProblem({ versions: { node: '0.0.0' } })).replace(
  '0.0.0',
  '" + process.versions.node + "',
);
const guard = `if (process.getBuiltinModule === undefined) throw Object.assign(new Error(${refusal}), { code: "VIO_NODE_UNSUPPORTED" });\n`;

/** @returns text that says what others say to an old Node, where it asks for modules and imports nothing that has looked */
export function refusingOldNodes(text) {
  const asks = /^(?:const|var) [^\n]*process\.getBuiltinModule\(/m.test(text);
  return asks &&
    !/ from "(?:@vio\/native|\.\/port-side\.js)/.test(text) &&
    !text.includes('VIO_NODE_UNSUPPORTED')
    ? guard + text
    : text;
}
