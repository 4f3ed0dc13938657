import { describe, expect, it } from 'vitest';
import { withUnit } from './units.ts';

describe('a number with its unit', () => {
  it.each([
    [0, '0 pps'],
    [90, '90 pps'],
    [999.4, '999 pps'],
    [999.6, '1.00 kpps'],
    [14_880, '14.9 kpps'],
    [148_800, '149 kpps'],
    [999_600, '1.00 Mpps'],
    [14_880_952, '14.9 Mpps'],
    [2.5e15, '2500 Tpps'],
  ])('%d is %s', (value, text) => {
    expect(withUnit(value, 'pps')).toBe(text);
  });
});
