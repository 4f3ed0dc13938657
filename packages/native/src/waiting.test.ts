import { getEventListeners } from 'node:events';
import { failureOf, rejectionOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { settle } from './waiting.ts';

const nothing = (): void => {};

describe('a wait', () => {
  it('ends with what it waited for, and is undone once', async () => {
    let undone = 0;
    const value = await settle<number>('waiting', {}, (resolve) => {
      setImmediate(() => {
        resolve(1);
        resolve(2);
      });
      return () => undone++;
    });
    expect([value, undone]).toEqual([1, 1]);
  });

  it('that is over before it began is undone as well', async () => {
    let undone = 0;
    const value = await settle<number>('waiting', { timeout: 10_000 }, (resolve) => {
      resolve(1);
      return () => undone++;
    });
    expect([value, undone]).toEqual([1, 1]);
  });

  it('ends when time is over, and is undone', async () => {
    let undone = 0;
    const error = await rejectionOf(settle('waiting for it', { timeout: 1 }, () => () => undone++));
    expect([error.code, error.retryable, error.message, undone]).toEqual([
      'VIO_TIMEOUT',
      true,
      'waiting for it took longer than 1 ms',
      1,
    ]);
  });

  it.each([Infinity, 2 ** 31, 1e300])('of %s milliseconds is not over before', async (timeout) => {
    const value = await settle<number>('waiting', { timeout }, (resolve) => {
      const timer = setTimeout(() => resolve(1), 50);
      return () => clearTimeout(timer);
    });
    expect(value).toBe(1);
  });

  it.each([Number.NaN, 'soon'])('of %s milliseconds does not begin', async (given) => {
    const timeout = given as number;
    const { code } = await rejectionOf(settle('waiting', { timeout }, () => expect.unreachable));
    expect(code).toBe('VIO_OPTION_VALUE');
  });

  it('ends when it is aborted, with the reason as cause', async () => {
    const controller = new AbortController();
    let undone = 0;
    const wait = settle('waiting', { signal: controller.signal }, () => () => undone++);
    controller.abort('enough');
    const { code, cause } = await rejectionOf(wait);
    expect([code, cause, undone]).toEqual(['VIO_ABORTED', 'enough', 1]);
  });

  it('does not begin when it was aborted before', async () => {
    let begun = 0;
    const error = await rejectionOf(
      settle('waiting', { signal: AbortSignal.abort() }, () => {
        begun++;
        return nothing;
      }),
    );
    expect([error.code, begun]).toEqual(['VIO_ABORTED', 0]);
  });

  it('fails when it cannot begin', async () => {
    const wait = settle('waiting', { timeout: 10_000 }, () => {
      throw new TypeError('no');
    });
    await expect(wait).rejects.toThrow('no');
  });

  it('leaves no listener on its signal', async () => {
    const { signal } = new AbortController();
    await settle<void>('waiting', { signal }, (resolve) => {
      setImmediate(resolve);
      return nothing;
    });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('helpers of these tests', () => {
  it('do not take a success for a failure', () => {
    expect(() => failureOf(nothing)).toThrow('no failure');
  });
});
