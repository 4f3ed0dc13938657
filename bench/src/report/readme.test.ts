import { describe, expect, it } from 'vitest';
import { withResults } from './readme.ts';

const empty =
  'before\n<!-- results: written by npm run bench -- --write -->\n<!-- end of results -->\nafter\n';

describe('withResults', () => {
  it('puts results between the markers, and leaves what is around them', () => {
    const text = withResults(empty, 'one CPU, DPDK 22.11', 'numbers');
    expect(text).toMatch(/^before\n[^]*<!-- results of one CPU, DPDK 22.11 -->\n\nnumbers\n\n[^]*\nafter\n$/);
  });

  it('keeps what other machines and other peers have given, newest first', () => {
    let text = empty;
    for (const machine of ['old', 'older', 'new']) text = withResults(text, machine, `of ${machine}`);
    expect(text.match(/^of .*$/gm)).toEqual(['of new', 'of older', 'of old']);
  });

  it('replaces what the same machine has given', () => {
    let text = withResults(empty, 'one', 'first');
    text = withResults(text, 'two', 'second');
    text = withResults(text, 'one', 'third');
    expect([text.includes('first'), text.includes('second'), text.includes('third')]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('keeps the sections of a machine that were not measured again, and its order', () => {
    let text = withResults(empty, 'one', 'first run\n\n### A\n\na1\n\n### B\n\nb1');
    text = withResults(text, 'one', 'second run\n\n### B\n\nb2\n\n### C\n\nc2');
    expect(text.match(/second run[^]*c2/)?.[0]).toBe(
      'second run\n\n### A\n\na1\n\n### B\n\nb2\n\n### C\n\nc2',
    );
    expect(text).not.toContain('first run');
  });

  it('refuses a file without markers', () => {
    expect(() => withResults('nothing', 'one', 'numbers')).toThrow(/markers/);
  });
});
