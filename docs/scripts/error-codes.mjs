// Every VIO_* code with what happened and what to do about it, read from the sources: each place where a VioError is made.
//
//   node docs/scripts/error-codes.mjs     prints them as JSON
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { root } from './pages.mjs';

/**
 * @typedef {object} Cause
 * @property {string} code
 * @property {string} message what happened, as Markdown; what is known only then is in italics
 * @property {string} remedy
 * @property {boolean} retryable
 * @property {string} file where it is made, from the root of the repository
 */

/** Placeholders while text is put together; Markdown's own characters are escaped in the end. */
const open = '\u0001';
const close = '\u0002';

/** @param {ts.Program} program @returns {Cause[]} by code, in the order of the packages */
export function errorCodes(program) {
  const checker = program.getTypeChecker();
  const sources = program
    .getSourceFiles()
    .filter(
      ({ fileName }) => /\/packages\/[\w-]+\/src\//.test(fileName) && !/\.test\.|test-support/.test(fileName),
    );

  /** Calls by the name that is called, the places where a VioError is made, and what looks like details of one. */
  const calls = new Map();
  const made = [];
  const details = [];
  /** Codes that are an option, `{ code: 'VIO_...' }` without a remedy, for whoever makes the errors in this package. */
  const given = new Map();
  for (const source of sources) visit(source);
  function visit(node) {
    if (ts.isCallExpression(node)) {
      const name = node.expression.name?.text ?? node.expression.text;
      calls.set(name, [...(calls.get(name) ?? []), node]);
    }
    if (ts.isNewExpression(node) && node.expression.getText() === 'VioError') made.push(node);
    if (ts.isObjectLiteralExpression(node) && propertyOf(node, 'code') && propertyOf(node, 'remedy'))
      details.push(node);
    if (ts.isObjectLiteralExpression(node) && !propertyOf(node, 'remedy')) {
      const code = propertyOf(node, 'code');
      if (code !== undefined && ts.isStringLiteral(code) && code.text.startsWith('VIO_'))
        given.set(code.text, packageOf(node));
    }
    ts.forEachChild(node, visit);
  }

  function packageOf(node) {
    return relative(root, node.getSourceFile().fileName).split('/')[1];
  }

  function symbolOf(node) {
    if (ts.isShorthandPropertyAssignment(node.parent))
      return checker.getShorthandAssignmentValueSymbol(node.parent);
    const symbol = checker.getSymbolAtLocation(node);
    const alias = symbol !== undefined && (symbol.flags & ts.SymbolFlags.Alias) !== 0;
    return alias ? checker.getAliasedSymbol(symbol) : symbol;
  }

  /** @returns the expression of a property, written out or by its name alone */
  function propertyOf(object, name) {
    const property = object.properties.find((one) => one.name?.getText() === name);
    if (property === undefined) return undefined;
    return ts.isShorthandPropertyAssignment(property) ? property.name : property.initializer;
  }

  /** What a name stands for, as far as the text says it: an argument of the call that is looked at, or a constant. */
  function resolved(node, bound) {
    const inner = ts.skipOuterExpressions(node);
    if (ts.isIdentifier(inner)) {
      const symbol = symbolOf(inner);
      const argument = bound.get(symbol);
      if (argument !== undefined) return resolved(argument, bound);
      const declared = symbol?.valueDeclaration;
      if (
        declared !== undefined &&
        ts.isVariableDeclaration(declared) &&
        declared.initializer !== undefined
      ) {
        const constant = resolved(declared.initializer, bound);
        if (ts.isObjectLiteralExpression(constant) || words(constant)) return constant;
      }
    }
    if (ts.isElementAccessExpression(inner)) {
      const object = resolved(inner.expression, bound);
      const key = resolved(inner.argumentExpression, bound);
      if (ts.isObjectLiteralExpression(object) && ts.isStringLiteral(key)) {
        const value = propertyOf(object, key.text);
        if (value !== undefined) return resolved(value, bound);
      }
    }
    return inner;
  }

  /** True for an expression that is text, at least in part. */
  function words(node) {
    return (
      ts.isStringLiteralLike(node) ||
      ts.isNumericLiteral(node) ||
      ts.isTemplateExpression(node) ||
      ts.isConditionalExpression(node) ||
      (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken)
    );
  }

  /**
   * @param whole look into a function that makes the text
   * @returns {string[]} the texts that an expression can be
   */
  function texts(expression, bound, whole = false) {
    const node = resolved(expression, bound);
    if (ts.isStringLiteralLike(node) || ts.isNumericLiteral(node)) return [node.text];
    if (ts.isConditionalExpression(node))
      return [...texts(node.whenTrue, bound), ...texts(node.whenFalse, bound)];
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken)
      return joined([texts(node.left, bound), texts(node.right, bound)]);
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken)
      return texts(node.right, bound);
    if (ts.isTemplateExpression(node)) {
      const spans = node.templateSpans.flatMap((span) => [
        texts(span.expression, bound),
        [span.literal.text],
      ]);
      return joined([[node.head.text], ...spans]);
    }
    const returned = whole ? returnedBy(node) : [];
    if (returned.length > 0) return returned.flatMap((one) => texts(one, bound));
    return [`${open}${placeholder(node)}${close}`];
  }

  /** What the function of a call returns, where all of it is text. */
  function returnedBy(node) {
    const called = ts.isCallExpression(node) ? symbolOf(node.expression)?.valueDeclaration : undefined;
    if (called === undefined || !ts.isFunctionDeclaration(called)) return [];
    const returned = [];
    const walk = (at) => {
      if (ts.isReturnStatement(at) && at.expression !== undefined) returned.push(at.expression);
      ts.forEachChild(at, walk);
    };
    walk(called);
    return returned.every((one) => words(ts.skipOuterExpressions(one))) ? returned : [];
  }

  function joined([first, ...rest]) {
    if (rest.length === 0) return first;
    const tails = joined(rest);
    return first.flatMap((head) => tails.map((tail) => head + tail));
  }

  /** A word for what is known only when it happens. */
  function placeholder(node) {
    if (ts.isPropertyAccessExpression(node)) return spaced(node.name.text);
    if (ts.isIdentifier(node)) return spaced(node.text);
    if (ts.isElementAccessExpression(node)) return placeholder(node.expression);
    if (ts.isPrefixUnaryExpression(node)) return placeholder(node.operand);
    if (ts.isBinaryExpression(node)) return placeholder(node.left);
    if (ts.isCallExpression(node)) {
      if (
        ts.isPropertyAccessExpression(node.expression) &&
        /^(join|toString|slice|map|trim)$/.test(node.expression.name.text)
      )
        return placeholder(node.expression.expression);
      return node.arguments.length > 0 ? placeholder(node.arguments[0]) : placeholder(node.expression);
    }
    return '...';
  }

  function spaced(name) {
    return name
      .replace('#', '')
      .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
      .toLowerCase();
  }

  /** The parameters of the functions around a node, by symbol, with the function. */
  function parametersAround(node) {
    const found = new Map();
    for (let at = node.parent; at !== undefined; at = at.parent) {
      if (!ts.isFunctionLike(at)) continue;
      for (const [index, { name }] of at.parameters.entries())
        if (ts.isIdentifier(name)) found.set(symbolOf(name), { of: at, index });
    }
    return found;
  }

  /** The calls of the function that decides a code or all of a message or remedy; none when the place says it all. */
  function callers(place, expressions, bound) {
    const parameters = parametersAround(place);
    for (const expression of expressions) {
      for (const name of expression.whole ? [expression.node] : identifiers(expression.node)) {
        const node = resolved(name, bound);
        const parameter = ts.isIdentifier(node) ? parameters.get(symbolOf(node)) : undefined;
        if (parameter === undefined) continue;
        const symbol = named(parameter.of);
        const called = symbol === undefined ? [] : (calls.get(symbol.name) ?? []);
        const ours = called.filter((call) => symbolOf(call.expression) === symbol);
        if (ours.length > 0) return { of: parameter.of, calls: ours };
      }
    }
    return null;
  }

  /** What a function is called by, also one that is a constant. */
  function named(called) {
    const name = called.name ?? (ts.isVariableDeclaration(called.parent) ? called.parent.name : undefined);
    return name === undefined ? undefined : symbolOf(name);
  }

  function identifiers(node) {
    const found = [];
    const walk = (at) => {
      if (ts.isIdentifier(at)) found.push(at);
      ts.forEachChild(at, walk);
    };
    walk(node);
    return found;
  }

  const causes = [];
  const used = new Set();
  for (const node of made) {
    const [message, second] = node.arguments ?? [];
    const object = second === undefined ? undefined : resolved(second, new Map());
    if (object === undefined || !ts.isObjectLiteralExpression(object)) continue;
    const code = propertyOf(object, 'code');
    const remedy = propertyOf(object, 'remedy');
    if (code === undefined || remedy === undefined) continue;
    used.add(object);
    tell(node, { message, code, remedy, retryable: propertyOf(object, 'retryable') }, new Map(), 0);
  }
  // Tables by errno, which `systemError` looks the failure of a system call up in.
  for (const object of details) {
    if (used.has(object)) continue;
    const entry = object.parent;
    const [, call, errno] = ts.isPropertyAssignment(entry)
      ? (/^'?(?:(\w+) )?(E\w+)'?$/.exec(entry.name.getText()) ?? [])
      : [];
    const said =
      errno === undefined ? 'a system call fails' : `the system call${call ? ` ${call}` : ''} says ${errno}`;
    const code = propertyOf(object, 'code');
    const remedy = propertyOf(object, 'remedy');
    tell(object, { message: said, code, remedy, retryable: propertyOf(object, 'retryable') }, new Map(), 0);
  }
  return causes;

  /** Notes an error down as its place says it, or once for each call of the function that makes it. */
  function tell(place, { message, code, remedy, retryable }, bound, depth) {
    const parts = [
      { node: code, whole: false },
      ...(typeof message === 'string' ? [] : [{ node: message, whole: true }]),
      { node: remedy, whole: true },
    ];
    const from = depth > 4 ? null : callers(depth === 0 ? place : bound.place, parts, bound);
    if (from !== null) {
      for (const call of from.calls) {
        const inner = new Map(bound);
        for (const [index, { name }] of from.of.parameters.entries()) {
          const argument = call.arguments[index];
          // A function that calls itself hands on what it was given.
          if (argument !== undefined && ts.isIdentifier(name) && symbolOf(argument) !== symbolOf(name))
            inner.set(symbolOf(name), argument);
        }
        inner.place = call;
        tell(place, { message, code, remedy, retryable }, inner, depth + 1);
      }
      return;
    }
    const at = bound.place ?? place;
    const file = relative(root, at.getSourceFile().fileName);
    // What passes an error on has its code from anywhere, and does not count.
    const asked = ts.isNewExpression(place)
      ? [...given].filter(([, owner]) => owner === packageOf(at)).map(([one]) => one)
      : [];
    const codes = texts(code, bound).flatMap((one) => (one === `${open}code${close}` ? asked : [one]));
    for (const one of codes) {
      if (!one.startsWith('VIO_')) continue;
      for (const what of typeof message === 'string' ? [message] : texts(message, bound, true)) {
        const found = {
          code: plain(one),
          message: markdown(what),
          remedy: texts(remedy, bound, true).map(markdown).join('; or: '),
          retryable: retryable?.kind === ts.SyntaxKind.TrueKeyword,
          file,
        };
        if (
          !causes.some(
            (other) =>
              other.code === found.code && other.message === found.message && other.remedy === found.remedy,
          )
        )
          causes.push(found);
      }
    }
  }
}

const plain = (text) =>
  text
    .replaceAll(open, '<')
    .replaceAll(close, '>')
    .replaceAll(/<(\w+)>/g, (_, name) => `<${name.toUpperCase()}>`);

/** Text as Markdown that shows it as it is, and placeholders in italics. */
export function markdown(text) {
  return text
    .replaceAll(/[\\`*_{}[\]<>#|~]/g, '\\$&')
    .replaceAll('@', '&#64;')
    .replaceAll(open, '<em>')
    .replaceAll(close, '</em>');
}

/** The program that the site is made from. */
function siteProgram() {
  const { config } = ts.readConfigFile(join(root, 'docs/tsconfig.json'), (file) =>
    readFileSync(file, 'utf8'),
  );
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, join(root, 'docs'));
  return ts.createProgram(fileNames, options);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(JSON.stringify(errorCodes(siteProgram()), null, 2));
