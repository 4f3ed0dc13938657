import { constants } from 'node:os';
import { failureOf } from '@vio/test-support';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { addon } from '../addon.ts';
import { LatePages } from './late-pages.ts';

afterEach(() => vi.restoreAllMocks());

/** What comes of asking for a userfaultfd where the kernel says so. test/peers has it of a container's seccomp profile. */
function refusal(errno: number) {
  vi.spyOn(addon, 'faultsOpen').mockImplementation(() => {
    throw Object.assign(new Error('userfaultfd failed'), { errno, syscall: 'userfaultfd' });
  });
  return failureOf(() => LatePages.open(1000));
}

describe('memory whose pages come when they are touched', () => {
  it.each([
    ['EPERM', 'may not have it: vm.unprivileged_userfaultfd, seccomp'],
    ['ENOSYS', 'has no such call, or seccomp says so'],
    ['EINVAL', 'does not know its flags'],
  ] as const)('is refused by name, and says what helps, where this process gets %s: it %s', (name, _why) => {
    const error = refusal(constants.errno[name]);
    expect(error).toMatchObject({ code: 'VIO_USERFAULTFD', retryable: false });
    expect(error.message).toBe(`cannot wait for pages of memory: userfaultfd says ${name}`);
    for (const way of ['vm.unprivileged_userfaultfd=1', 'CAP_SYS_PTRACE', 'seccomp'])
      expect(error.remedy).toContain(way);
    expect(error.cause).toMatchObject({ code: name, syscall: 'userfaultfd' });
  });

  it('is refused as anything else is for what has nothing to do with it', () => {
    expect(refusal(constants.errno.EMFILE).code).toBe('VIO_SYS_EMFILE');
  });
});
