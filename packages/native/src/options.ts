import { VioError } from './error.ts';
import { quoted } from './quoted.ts';

/** The names of all options of an interface: the compiler sees that none is missing, and none too many. */
export type OptionNames<T> = { readonly [K in keyof Required<T>]: true };

/**
 * Refuses what is no option, such as one that is misspelt: it would be ignored without a word. Objects with a class of their
 * own may have what they like besides.
 * @param where what the options are given to, as `VhostDriver.register`
 * @throws VioError VIO_OPTION_UNKNOWN
 */
export function checkOptions<T extends object>(
  where: string,
  given: T | undefined,
  names: OptionNames<T>,
): void {
  if (given === undefined || !isPlain(given)) return;
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(names, name));
  if (unknown.length === 0) return;
  const what = unknown.map((name) => quoted(name)).join(', ');
  throw new VioError(`${where} has no option ${what}`, {
    code: 'VIO_OPTION_UNKNOWN',
    remedy: `the options are ${Object.keys(names).join(', ')}`,
  });
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
