import { featureNames } from '@vio/net';
import { InvalidArgumentError } from 'commander';

const bits = new Map(
  Array.from({ length: 64 }, (_, bit) => [featureNames(1n << BigInt(bit))[0], 1n << BigInt(bit)]),
);

/** Features by their names, as `CSUM,MRG_RXBUF`, or as a mask in hexadecimal. */
export function featureMask(text: string): bigint {
  if (/^0x[\da-f]{1,16}$/i.test(text)) return BigInt(text);
  return text.split(',').reduce((mask, name) => {
    const bit = bits.get(name.trim().toUpperCase());
    if (bit === undefined)
      throw new InvalidArgumentError(
        'Allowed: names as `vio inspect --features MASK` shows them, with commas; or a mask.',
      );
    return mask | bit;
  }, 0n);
}
