import { describe, expect, it } from 'vitest';
import { publicNames } from './public-api.ts';

describe('the public API', () => {
  it('says of every export, member and option what it is', () => {
    const silent = publicNames().filter(({ docstring }) => docstring === '');
    expect(silent.map(({ name, file }) => `${file}: ${name}`)).toEqual([]);
  });

  it('says undefined, and never null, for what is not there', () => {
    const nulls = publicNames().filter(({ type }) => /\bnull\b/.test(type));
    expect(nulls.map(({ name, type }) => `${name}: ${type}`)).toEqual([]);
  });
});
