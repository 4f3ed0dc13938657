import { constants } from 'node:os';
import { failureOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { VioError } from './error.ts';
import { attempt, errnoName, systemError } from './system-error.ts';
import { runChild } from './test-support/child.ts';

/** What the addon throws. */
function nativeFailure(errno: number, syscall = 'open'): Error {
  return Object.assign(new Error(`${syscall} failed`), { errno, syscall });
}

const { EAGAIN, ENOENT, EOPNOTSUPP, EMFILE, EINVAL } = constants.errno;

describe('a failed system call', () => {
  it('has the code of its errno', () => {
    expect(systemError(nativeFailure(ENOENT), 'open it')).toMatchObject({
      code: 'VIO_SYS_ENOENT',
      retryable: false,
    });
  });

  it('says what was tried, by which call, and what came of it', () => {
    expect(systemError(nativeFailure(ENOENT), 'open it')).toHaveProperty(
      'message',
      'cannot open it: open says ENOENT',
    );
  });

  it('has its cause, as Node writes them', () => {
    const error = failureOf(() =>
      attempt(() => {
        throw nativeFailure(ENOENT);
      }, 'open it'),
    );
    expect(error.cause).toMatchObject({ code: 'ENOENT', errno: ENOENT, syscall: 'open' });
  });

  it('has a remedy that fits the errno', () => {
    expect(systemError(nativeFailure(EMFILE), 'open it')).toHaveProperty(
      'remedy',
      expect.stringMatching(/ulimit -n/),
    );
  });

  it('has a remedy when nothing better is known', () => {
    expect(systemError(nativeFailure(EINVAL), 'open it')).toHaveProperty(
      'remedy',
      'look up EINVAL in the manual page of open',
    );
  });

  it('has the code its caller gives the errno', () => {
    const known = { ENOENT: { code: 'VIO_NO_PORT', remedy: 'make one', retryable: true } };
    expect(systemError(nativeFailure(ENOENT), 'open it', known)).toMatchObject({
      code: 'VIO_NO_PORT',
      remedy: 'make one',
      retryable: true,
    });
  });

  it('has the code its caller gives the errno of that very call', () => {
    const known = { 'mlock ENOENT': { code: 'VIO_A', remedy: '' }, ENOENT: { code: 'VIO_B', remedy: '' } };
    const codes = ['mlock', 'mmap'].map((syscall) =>
      systemError(nativeFailure(ENOENT, syscall), 'it', known),
    );
    expect(codes).toMatchObject([{ code: 'VIO_A' }, { code: 'VIO_B' }]);
  });

  it.each([
    [EAGAIN, 'EAGAIN'],
    [EOPNOTSUPP, 'EOPNOTSUPP'],
    [9999, 'E9999'],
  ])('with errno %d is %s', (errno, name) => {
    expect(errnoName(nativeFailure(errno))).toBe(name);
  });

  it('is left alone when it is something else', () => {
    const error = new TypeError('a bug');
    expect([systemError(error, 'open it'), errnoName(error)]).toEqual([error, undefined]);
  });

  it('for want of descriptors says so', async () => {
    const { stdout } = await runChild(
      `try { for (;;) native.EventFd.create(); } catch ({ code, remedy }) { print([code, remedy]); process.exit(); }`,
      ['prlimit', '--nofile=64'],
    );
    expect(JSON.parse(stdout)).toEqual(['VIO_SYS_EMFILE', expect.stringContaining('ulimit -n')]);
  });
});

describe('a VioError', () => {
  it('is an Error with its own name', () => {
    const error = new VioError('it happened', { code: 'VIO_X', remedy: 'undo it' });
    expect([error instanceof Error, error.name, error.message, 'cause' in error]).toEqual([
      true,
      'VioError',
      'it happened',
      false,
    ]);
  });

  it('is not worth a retry unless it says so', () => {
    const error = new VioError('it happened', { code: 'VIO_X', remedy: 'undo it' });
    const again = new VioError('it happened', { code: 'VIO_X', remedy: 'undo it', retryable: true });
    expect([error.retryable, again.retryable]).toEqual([false, true]);
  });

  it('is recognised whichever copy of the package made it', async () => {
    const copy: unknown = await import(new URL('../dist/index.js', import.meta.url).href);
    const { VioError: Other } = copy as { VioError: typeof VioError };
    const error = new Other('it happened', { code: 'VIO_X', remedy: 'undo it' });
    expect([VioError.is(error), error instanceof VioError]).toEqual([true, false]);
  });

  it.each([[undefined], [undefined], ['VIO_X'], [{ code: 'VIO_X' }], [new Error('x')]])(
    'is not %j',
    (value) => {
      expect(VioError.is(value)).toBe(false);
    },
  );
});
