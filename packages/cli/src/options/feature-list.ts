import { VioError } from '@vio/native';
import { featureNames } from '@vio/net';

const bits = new Map(
  Array.from({ length: 64 }, (_, bit) => [featureNames(1n << BigInt(bit))[0], 1n << BigInt(bit)]),
);

/**
 * Reads features by their names, as `CSUM,MRG_RXBUF`, or as a mask in hexadecimal. Commands load it when they run: `--help`
 * needs no features.
 * @param option whose value it is
 * @throws VioError VIO_CLI_USAGE
 */
export function featureMask(option: string, text: string): bigint {
  if (/^0x[\da-f]{1,16}$/i.test(text)) return BigInt(text);
  return text.split(',').reduce((mask, name) => {
    const bit = bits.get(name.trim().toUpperCase());
    if (bit === undefined) {
      throw new VioError(`${option}: ${JSON.stringify(name)} is no feature`, {
        code: 'VIO_CLI_USAGE',
        remedy:
          'names as `vio inspect --features MASK` shows them, with commas; or a mask such as 0x130008000',
      });
    }
    return mask | bit;
  }, 0n);
}
