// What is published, as the compiler of somebody who installs it sees it: the declarations of every entry for applications.
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  ModifierFlags,
  type Node,
  isExpressionWithTypeArguments,
  isImportTypeNode,
  isQualifiedName,
  isTypeQueryNode,
  isTypeReferenceNode,
} from 'typescript/unstable/ast';
import { API, type Project, type Symbol as Named, SymbolFlags } from 'typescript/unstable/sync';

const root = join(import.meta.dirname, '../..');
const config = join(import.meta.dirname, 'published.tsconfig.json');

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly publishConfig?: { readonly exports?: Readonly<Record<string, { readonly types: string }>> };
}

/** An entry for applications, and what it exports. */
export interface Entry {
  /** As in `@vio/net/testing`. */
  readonly specifier: string;
  /** Sorted: `type NetDevice`, `function openPort`, ...; what a namespace has as `wire.Message`. */
  readonly names: readonly string[];
  /** Names that the package's second entry exports as well. */
  readonly twice: readonly string[];
  /** Where each name is declared, those of the package's second entry included. */
  readonly places: ReadonlyMap<string, string>;
  /** Types of ours that a signature of this entry mentions, and that no entry exports: `file: name, by whom`. */
  readonly unnamed: readonly string[];
}

/** All entries but those that say of themselves that applications do not use them. */
export function publishedEntries(): Entry[] {
  const api = new API({ cwd: root });
  try {
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
    if (project === undefined) throw new Error(`${config} is no project`);
    const read = (files: ReturnType<typeof declarations>) =>
      files.map(({ specifier, file }) => ({ specifier, exported: exportsOf(project, file) }));
    const entries = read(declarations((entry) => !entry.startsWith(internal)));
    const inside = new Map(
      read(declarations((entry) => entry === internal)).map(({ specifier, exported }) => [
        specifier,
        exported,
      ]),
    );
    const known = new Set(entries.flatMap(({ exported }) => [...exported.values()].map(placeOf)));
    return entries.map(({ specifier, exported }) => ({
      specifier,
      names: [...exported].map(([name, symbol]) => `${kindOf(symbol)} ${name}`).toSorted(),
      places: new Map(
        [...exported, ...(inside.get(join(specifier, internal)) ?? [])].map(([name, symbol]) => [
          name,
          placeOf(symbol),
        ]),
      ),
      twice: [...exported.keys()].filter((name) => inside.get(join(specifier, internal))?.has(name)),
      unnamed: [...exported].flatMap(([name, symbol]) =>
        [...mentions(project, symbol)]
          .filter((place) => !known.has(place))
          .map((place) => `${place}, by ${name}`),
      ),
    }));
  } finally {
    api.close();
  }
}

const internal = './internal';

function declarations(wanted: (entry: string) => boolean): { specifier: string; file: string }[] {
  return readdirSync(join(root, 'packages')).flatMap((directory) => {
    const at = join(root, 'packages', directory);
    const manifest = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as Manifest;
    if (manifest.private === true) return [];
    return Object.entries(manifest.publishConfig?.exports ?? {})
      .filter(([entry, { types }]) => wanted(entry) && types.endsWith('.d.ts'))
      .map(([entry, { types }]) => ({ specifier: join(manifest.name, entry), file: join(at, types) }));
  });
}

/** By name; what a namespace exports is there as well. */
function exportsOf(project: Project, file: string): Map<string, Named> {
  const source = project.program.getSourceFile(file);
  const module = source && project.checker.getSymbolAtLocation(source);
  if (module === undefined) throw new Error(`${file} exports nothing`);
  const found = new Map<string, Named>();
  const add = (exporter: Named, prefix: string): void => {
    for (const each of project.checker.getExportsOfModule(exporter)) {
      const symbol = real(project, each);
      found.set(prefix + each.name, symbol);
      if ((symbol.flags & SymbolFlags.ValueModule) !== 0) add(symbol, `${prefix}${each.name}.`);
    }
  };
  add(module, '');
  return found;
}

const real = ({ checker }: Project, symbol: Named): Named =>
  (symbol.flags & SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);

const placeOf = (symbol: Named): string =>
  `${relative(root, symbol.declarations?.[0]?.path ?? root)}: ${symbol.name}`;

const typeFlags = SymbolFlags.Class | SymbolFlags.Interface | SymbolFlags.TypeAlias | SymbolFlags.Enum;

/** Where the types of ours are that the declaration of a name mentions; members that are not for applications do not count. */
function mentions(project: Project, symbol: Named): Set<string> {
  const found = new Set<string>();
  if ((symbol.flags & SymbolFlags.ValueModule) !== 0) return found;
  for (const declaration of symbol.declarations ?? []) {
    const source = project.program.getSourceFile(declaration.path);
    const node = declaration.resolve(project);
    if (source === undefined || node === undefined) continue;
    // What a visitor gives back would end the walk.
    const visit = (each: Node): undefined => {
      if (isHidden(each, source.text)) return undefined;
      const name = nameOfType(each);
      if (name !== undefined) {
        const named = project.checker.getSymbolAtLocation(name);
        const type = named === undefined ? undefined : real(project, named);
        if (type !== undefined && (type.flags & typeFlags) !== 0) {
          const place = placeOf(type);
          if (place.startsWith('packages/')) found.add(place);
        }
      }
      each.forEachChild(visit);
      return undefined;
    };
    visit(node);
  }
  return found;
}

/** The last name in what refers to a type: `B` of `A.B<C>`, of `import('x').B`, and of `extends B`. */
function nameOfType(node: Node): Node | undefined {
  if (isTypeReferenceNode(node)) return isQualifiedName(node.typeName) ? node.typeName.right : node.typeName;
  if (isExpressionWithTypeArguments(node)) return node.expression;
  if (isTypeQueryNode(node)) return isQualifiedName(node.exprName) ? node.exprName.right : node.exprName;
  if (!isImportTypeNode(node) || node.qualifier === undefined) return undefined;
  return isQualifiedName(node.qualifier) ? node.qualifier.right : node.qualifier;
}

/** Private, protected, or `@internal`: a member that only our own packages use, or a constructor that openers call. */
function isHidden(node: Node, text: string): boolean {
  const flags = 'modifierFlags' in node ? Number(node.modifierFlags) : 0;
  if ((flags & (ModifierFlags.Private | ModifierFlags.Protected)) !== 0) return true;
  const docstring = /^\s*\/\*\*[^]*?\*\//.exec(text.slice(node.pos, node.end))?.[0] ?? '';
  return docstring.includes('@internal');
}

function kindOf({ flags }: Named): string {
  if ((flags & SymbolFlags.Class) !== 0) return 'class';
  if ((flags & SymbolFlags.Function) !== 0) return 'function';
  if ((flags & SymbolFlags.Variable) !== 0) return 'const';
  return (flags & SymbolFlags.ValueModule) !== 0 ? 'namespace' : 'type';
}
