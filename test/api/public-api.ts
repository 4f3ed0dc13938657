// The public API as the compiler sees it: every export of every entry of every published package, with its members.
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  ModifierFlags,
  type Node,
  SyntaxKind,
  isCallExpression,
  isClassDeclaration,
  isIdentifier,
  isInterfaceDeclaration,
  isNewExpression,
  isPropertySignatureDeclaration,
  isThrowStatement,
  isTypeLiteralNode,
} from 'typescript/unstable/ast';
import {
  API,
  type Checker,
  NodeBuilderFlags,
  type Project,
  type Symbol as Named,
  SymbolFlags,
} from 'typescript/unstable/sync';

/** Types are written to the end, and an alias as what it stands for. */
const written = NodeBuilderFlags.NoTruncation;
const inAlias = NodeBuilderFlags.InTypeAlias;

const root = join(import.meta.dirname, '../..');

/** A name that applications or sibling packages can use. */
export interface PublicName {
  /** As in `@vio/net NetPort.send`. */
  readonly name: string;
  /** Where it is declared, from the root of the repository. */
  readonly file: string;
  /** Its docstring, tags included; that of what it implements or overrides if it has none of its own. */
  readonly docstring: string;
  /** Its type, as the compiler writes it; of an alias, what it stands for. */
  readonly type: string;
  /** An error is made and thrown in its own body, or an argument is given to a `check...` there. */
  readonly throws: boolean;
}

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly exports?: Readonly<Record<string, string | { readonly 'vio-source'?: string }>>;
}

/** Every entry of every package that is published: its specifier, its source, and the project it belongs to. */
function entries(): { specifier: string; source: string; config: string }[] {
  return readdirSync(join(root, 'packages')).flatMap((directory) => {
    const at = join(root, 'packages', directory);
    const manifest = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as Manifest;
    if (manifest.private === true) return [];
    return Object.entries(manifest.exports ?? {}).flatMap(([entry, target]) => {
      const source = typeof target === 'string' ? undefined : target['vio-source'];
      if (source === undefined) return [];
      const specifier = join(manifest.name, entry);
      return [{ specifier, source: join(at, source), config: join(at, 'tsconfig.json') }];
    });
  });
}

let names: readonly PublicName[] | undefined;

/** All of them; a name that two entries export is there twice. The compiler is asked once. */
export const publicNames = (): readonly PublicName[] => (names ??= askForNames());

function askForNames(): PublicName[] {
  const api = new API({ cwd: root });
  try {
    const all = entries();
    const snapshot = api.updateSnapshot({ openProjects: [...new Set(all.map(({ config }) => config))] });
    return all.flatMap(({ specifier, source, config }) => {
      const project = snapshot.getProject(config);
      const file = project?.program.getSourceFile(source);
      if (project === undefined || file === undefined) throw new Error(`${source} is not in ${config}`);
      const module = project.checker.getSymbolAtLocation(file);
      if (module === undefined) throw new Error(`${source} exports nothing`);
      return project.checker
        .getExportsOfModule(module)
        .flatMap((exported) => described(project, specifier, exported));
    });
  } finally {
    api.close();
  }
}

/** An export, and what can be reached by a dot behind it. */
function described(project: Project, specifier: string, exported: Named): PublicName[] {
  const { checker } = project;
  const target = (exported.flags & SymbolFlags.Alias) === 0 ? exported : checker.getAliasedSymbol(exported);
  const own = nameOf(project, `${specifier} ${exported.name}`, target);
  // What a package hands on of a library is documented there.
  if (own === undefined) return [];
  if ((target.flags & SymbolFlags.ValueModule) !== 0) {
    return checker.getExportsOfModule(target).flatMap((each) => described(project, own.name, each));
  }
  const members = membersOf(project, target).map((member) => {
    const name = nameOf(project, `${own.name}.${member.name}`, member);
    if (name === undefined || name.docstring !== '') return name;
    return { ...name, docstring: inheritedDocstring(project, target, member.name) };
  });
  return [own, ...members.filter((member) => member !== undefined)];
}

/** What the classes and interfaces that this one extends or implements say of a member. */
function inheritedDocstring(project: Project, symbol: Named, member: string): string {
  const { checker } = project;
  for (const declaration of symbol.declarations ?? []) {
    const node = declaration.resolve(project);
    if (node === undefined || !(isClassDeclaration(node) || isInterfaceDeclaration(node))) continue;
    for (const type of node.heritageClauses?.flatMap((clause) => [...clause.types]) ?? []) {
      const base = checker.getTypeAtLocation(type);
      const property = base === undefined ? undefined : checker.getPropertyOfType(base, member);
      const docstring = property === undefined ? '' : docstringOf(checker, property);
      if (docstring !== '') return docstring;
    }
  }
  return '';
}

function nameOf(project: Project, name: string, symbol: Named): PublicName | undefined {
  const { checker } = project;
  const path = symbol.declarations?.find((declaration) => declaration.path.includes('/packages/'))?.path;
  if (path === undefined) return undefined;
  const alias = (symbol.flags & SymbolFlags.TypeAlias) !== 0;
  const type = alias ? checker.getDeclaredTypeOfSymbol(symbol) : checker.getTypeOfSymbol(symbol);
  return {
    name,
    file: relative(root, path),
    docstring: docstringOf(checker, symbol),
    throws: symbol.declarations?.some((declaration) => throwsItself(declaration.resolve(project))) ?? false,
    type:
      type === undefined ? '' : checker.typeToString(type, undefined, alias ? written | inAlias : written),
  };
}

/**
 * Whether a function or method throws an error that it makes, or has its arguments checked. What it hands on of others is not
 * looked at, nor what functions within it do.
 */
function throwsItself(node: Node | undefined): boolean {
  if (node === undefined || !isFunctionLike(node)) return false;
  const makesError = (statement: Node): boolean =>
    isThrowStatement(statement) &&
    (isNewExpression(statement.expression) || isCallExpression(statement.expression));
  const checks = (call: Node): boolean =>
    isCallExpression(call) && isIdentifier(call.expression) && /^check[A-Z]/.test(call.expression.text);
  let found = false;
  const visit = (child: Node): undefined => {
    if (isFunctionLike(child)) return undefined;
    found ||= makesError(child) || checks(child);
    child.forEachChild(visit);
    return undefined;
  };
  node.forEachChild(visit);
  return found;
}

const functions: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.FunctionExpression,
  SyntaxKind.ArrowFunction,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.GetAccessor,
  SyntaxKind.SetAccessor,
  SyntaxKind.Constructor,
]);

const isFunctionLike = (node: Node): boolean => functions.has(node.kind);

function docstringOf(checker: Checker, symbol: Named): string {
  const tags = checker.getJsDocTagsOfSymbol(symbol).map(({ name, text }) => `@${name} ${text ?? ''}`);
  return [checker.getDocumentationCommentOfSymbol(symbol), ...tags].join('\n').trim();
}

/** Members that others may use and that say something: no private ones, and not what tells the forms of a union apart. */
function membersOf(project: Project, symbol: Named): Named[] {
  const statics = (symbol.flags & SymbolFlags.Class) === 0 ? [] : [...symbol.getExports().values()];
  const members = [...symbol.getMembers().values(), ...literalMembers(project, symbol), ...statics];
  return members.filter(({ name, flags, declarations }) => {
    const node = declarations?.[0]?.resolve(project);
    if (node === undefined || name.startsWith('__') || name === 'prototype') return false;
    if ((flags & SymbolFlags.TypeParameter) !== 0) return false;
    return (modifiersOf(node) & hidden) === 0 && !isDiscriminant(node);
  });
}

const hidden = ModifierFlags.Private | ModifierFlags.Protected;

const modifiersOf = (node: Node): number => ('modifierFlags' in node ? Number(node.modifierFlags) : 0);

/** As `kind` is in `{ kind: 'mac'; ... }`. */
const isDiscriminant = (node: Node): boolean =>
  isPropertySignatureDeclaration(node) && node.type?.kind === SyntaxKind.LiteralType;

/** Of a type that is an object literal, or a union or intersection with some. */
function literalMembers(project: Project, symbol: Named): Named[] {
  const found: Named[] = [];
  // What a visitor gives back would end the walk.
  const visit = (node: Node): undefined => {
    if (!isTypeLiteralNode(node)) {
      node.forEachChild(visit);
      return undefined;
    }
    for (const property of node.members.filter((member) => isPropertySignatureDeclaration(member))) {
      const member = project.checker.getSymbolAtLocation(property.name);
      if (member !== undefined) found.push(member);
    }
    return undefined;
  };
  if ((symbol.flags & SymbolFlags.TypeAlias) !== 0) {
    for (const declaration of symbol.declarations ?? []) declaration.resolve(project)?.forEachChild(visit);
  }
  return found;
}
