import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MacTable } from './mac-table.ts';

describe('the address table', () => {
  it('knows what was heard last, where it was heard last', () => {
    const address = fc.tuple(fc.nat(3), fc.nat(5));
    fc.assert(
      fc.property(fc.array(fc.tuple(address, fc.nat(3)), { maxLength: 60 }), (heard) => {
        const table = new MacTable({ capacity: 64 });
        const model = new Map<string, number>();
        for (const [[high, low], port] of heard) {
          table.learn(high, low, port, 0);
          model.set(`${high},${low}`, port);
        }
        // Buckets are full at worst: what is known is never wrong.
        for (const [key, port] of model) {
          const [high, low] = key.split(',').map(Number);
          expect([port, -1]).toContain(table.lookup(high, low, 0));
        }
      }),
    );
  });

  it('never has more than there is room for', () => {
    const table = new MacTable({ capacity: 64, perPort: 1000 });
    for (let low = 0; low < 10_000; low++) table.learn(0, low, 0, low);
    expect(table.size).toBe(64);
  });

  it('keeps the address heard longest ago for the shortest time', () => {
    const table = new MacTable({ capacity: 4 });
    for (let low = 0; low < 5; low++) table.learn(0, low, 0, low);
    expect([0, 1, 2, 3, 4].map((low) => table.lookup(0, low, 5))).toEqual([-1, 0, 0, 0, 0]);
  });

  it('does not let one port displace the addresses of another when it has its share', () => {
    const table = new MacTable({ capacity: 1024, perPort: 16 });
    for (let low = 0; low < 64; low++) table.learn(1, low, 1 + (low & 7), 0);
    for (let low = 0; low < 100_000; low++) table.learn(2, low, 9, 1);
    const known = table.entries(1);
    const others = known.filter(({ port }) => port !== 9).length;
    expect([known.length - others <= 16, others > 48]).toEqual([true, true]);
  });

  it('gives a port its share back when its addresses are old', () => {
    const table = new MacTable({ capacity: 64, perPort: 2, ageing: 10 });
    table.learn(0, 1, 3, 0);
    table.learn(0, 2, 3, 0);
    table.sweep(11);
    table.learn(0, 3, 3, 11);
    expect([table.size, table.lookup(0, 3, 11)]).toEqual([1, 3]);
  });

  it('says addresses and VLANs as people write them', () => {
    const table = new MacTable();
    table.learn((4094 << 16) | 0xfe00, 0x8000_00ff | 0, 70, 5);
    expect(table.entries(9)).toEqual([{ mac: 'fe:00:80:00:00:ff', vlan: 4094, port: 70, age: 4 }]);
  });

  it('forgets a port, and everything', () => {
    const table = new MacTable();
    for (const port of [1, 2, 2]) table.learn(0, port * 7 + table.size, port, 0);
    expect([table.forget(2), table.size, table.forget(), table.size]).toEqual([2, 1, 1, 0]);
  });
});
