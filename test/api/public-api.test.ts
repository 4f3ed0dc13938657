import { describe, expect, it } from 'vitest';
import { publicNames } from './public-api.ts';

/** What a number is about, by its name, and what its docstring must say then. */
const units: [string, RegExp, RegExp][] = [
  ['time', /(timeout|interval|delay|patience|milliseconds)$/i, /milliseconds|seconds/i],
  ['bytes', /(bytes|headroom|dataRoom|mtu|snaplen)$/i, /bytes/i],
  ['size', /size$/i, /bytes|descriptors|packets|entries|frames/i],
  ['speed', /speed$/i, /bit/i],
];

describe('the public API', () => {
  it('says of every export, member and option what it is', () => {
    const silent = publicNames().filter(({ docstring }) => docstring === '');
    expect(silent.map(({ name, file }) => `${file}: ${name}`)).toEqual([]);
  });

  it('says undefined, and never null, for what is not there', () => {
    const nulls = publicNames().filter(({ type }) => /\bnull\b/.test(type));
    expect(nulls.map(({ name, type }) => `${name}: ${type}`)).toEqual([]);
  });

  it('says what is thrown, wherever an error is made or an argument checked', () => {
    const silent = publicNames().filter(({ throws, docstring }) => throws && !docstring.includes('@throws'));
    expect(silent.map(({ name, file }) => `${file}: ${name}`)).toEqual([]);
  });

  it.each(units)('says the unit of every number whose name is about %s', (_, named, unit) => {
    const numbers = publicNames().filter(({ type }) => type === 'number' || type === 'number | undefined');
    const bare = numbers.filter(({ name, docstring }) => named.test(name) && !unit.test(docstring));
    expect(bare.map(({ name, file }) => `${file}: ${name}`)).toEqual([]);
  });
});
