import { expect, it } from 'vitest';
import { rarpFrame } from './rarp.ts';

it('a reverse ARP request says where a station is, to everybody', () => {
  const station = '020000000001';
  expect(Buffer.from(rarpFrame('02:00:00:00:00:01')).toString('hex')).toBe(
    [
      ['ffffffffffff', station, '8035'],
      ['0001', '0800', '06', '04', '0003', station, '00000000', station, '00000000'],
      ['00'.repeat(18)],
    ]
      .flat()
      .join(''),
  );
});
