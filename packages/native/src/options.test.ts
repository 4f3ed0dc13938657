import { failureOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { type OptionNames, checkOptions } from './options.ts';

interface Options {
  readonly client?: boolean;
  readonly retry?: number;
}
const names: OptionNames<Options> = { client: true, retry: true };

/** As JavaScript lets one write. */
const given = (value: object): Options => value;

describe('options', () => {
  it.each([{}, { client: true }, { client: undefined, retry: 3 }])('%j are right', (options: object) => {
    expect(() => checkOptions('open', given(options), names)).not.toThrow();
  });

  it.each([
    [{ cleint: true }, 'open has no option "cleint"'],
    [{ cleint: undefined }, 'open has no option "cleint"'],
    [{ client: true, noRetry: 1, a: 2 }, 'open has no option "noRetry", "a"'],
    [{ toString: 1 }, 'open has no option "toString"'],
    [Object.assign(Object.create(null), { x: 1 }), 'open has no option "x"'],
    [{ ['a\nb']: 1 }, 'open has no option "a\\u000ab"'],
  ])('%j are refused by name, with those there are', (options: object, message) => {
    expect(failureOf(() => checkOptions('open', given(options), names))).toMatchObject({
      code: 'VIO_OPTION_UNKNOWN',
      message,
      remedy: 'the options are client, retry',
    });
  });

  it('of an object with a class of its own may come with other things', () => {
    class Callbacks {
      readonly client = true;
      readonly mine = 1;
    }
    expect(() => checkOptions('open', new Callbacks(), names)).not.toThrow();
  });
});
