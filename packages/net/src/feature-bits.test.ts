import { describe, expect, it } from 'vitest';
import * as bits from './feature-bits.ts';
import { featureNames } from './feature-bits.ts';

const netBits = Object.entries(bits).filter(
  (entry): entry is [string, bigint] => entry[0].startsWith('VIRTIO_NET_F_') && typeof entry[1] === 'bigint',
);

describe('featureNames', () => {
  it.each(netBits)('calls %s by its name', (constant, mask) => {
    expect(featureNames(mask)).toEqual([constant.replace('VIRTIO_NET_F_', '')]);
  });

  it('has a constant of its own bit for each of the 38 names of section 5.1.3', () => {
    expect([netBits.length, new Set(netBits.map(([, mask]) => mask)).size]).toEqual([38, 38]);
  });

  it('names bits of rings and of vhost-user, lowest first', () => {
    expect(featureNames(0x5_7400_8000n)).toEqual([
      'MRG_RXBUF',
      'LOG_ALL',
      'INDIRECT_DESC',
      'EVENT_IDX',
      'PROTOCOL_FEATURES',
      'VERSION_1',
      'RING_PACKED',
    ]);
  });

  it('numbers a bit nobody has named', () => {
    expect(featureNames((1n << 4n) | (1n << 49n))).toEqual(['BIT_4', 'BIT_49']);
  });

  it('has nothing to say about an empty mask', () => {
    expect(featureNames(0n)).toEqual([]);
  });
});
