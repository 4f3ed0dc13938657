// Node's own modules, as Node has them already. To import one is to have a module made of it, with everything that it exports, and so
// of `node:fs` its promises and its streams, which nobody has asked for.
import { isBuiltin } from 'node:module';

/** @returns text that asks Node for its modules where it imported them */
export const askingForBuiltins = (text) =>
  text.replaceAll(/^import \{([^}]*)\} from "([^"]+)";$/gm, (all, list, name) =>
    isBuiltin(name) ? `const {${list.replaceAll(' as ', ': ')}} = process.getBuiltinModule("${name}");` : all,
  );
