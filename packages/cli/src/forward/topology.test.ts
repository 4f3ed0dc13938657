import { describe, expect, it } from 'vitest';
import { type PortTopology, partner } from './topology.ts';

describe('packets leave', () => {
  it.each<[PortTopology, number[]]>([
    ['paired', [0]],
    ['paired', [1, 0]],
    ['paired', [1, 0, 2]],
    ['paired', [1, 0, 3, 2]],
    ['chained', [0]],
    ['chained', [1, 2, 0]],
    ['loop', [0, 1, 2]],
  ])('%s ports by %j', (topology, partners) => {
    expect(partners.map((_, port) => partner(topology, port, partners.length))).toEqual(partners);
  });
});
