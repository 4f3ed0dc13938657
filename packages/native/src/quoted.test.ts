import fc from 'fast-check';
import { expect, it } from 'vitest';
import { quoted } from './quoted.ts';

it.each([
  ['anon_inode:[eventfd]', '"anon_inode:[eventfd]"'],
  ['/tmp/é/日本', '"/tmp/é/日本"'],
  ['a\n2026 root: all clear', String.raw`"a\u000a2026 root: all clear"`],
  ['\u001b[2J\u0007', String.raw`"\u001b[2J\u0007"`],
  ['say "no" \\ yes', String.raw`"say \"no\" \\ yes"`],
  ['\u202egnp.exe\u2028\u200b', String.raw`"\u202egnp.exe\u2028\u200b"`],
  ['\ud800', String.raw`"\ud800"`],
  ['\u{e0001}', String.raw`"\u{e0001}"`],
])('%j is written as %s', (text, written) => {
  expect(quoted(text)).toBe(written);
});

it('is one printable line that is not too long, whatever the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (text) => {
      const line = quoted(text);
      expect(line).toMatch(/^"[^\p{C}\p{Zl}\p{Zp}]*"$/u);
      expect(line.length).toBeLessThan(2000);
    }),
    { numRuns: 20 },
  );
});
