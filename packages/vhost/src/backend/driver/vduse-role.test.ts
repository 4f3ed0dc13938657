import { describe, expect, it } from 'vitest';
import { coded } from '@vio/test-support';
import { VhostDriver } from './vhost-driver.ts';
import { isVdusePath } from './vduse-role.ts';

describe('a path of a VDUSE device', () => {
  it.each(['/dev/vduse/card', '/dev/vduse/...', '/dev/vduse/a b', `/dev/vduse/${'x'.repeat(200)}`])(
    'may be %s',
    (path) => {
      expect(isVdusePath(path)).toBe(true);
    },
  );

  it.each(['/run/card.sock', 'dev/vduse/card', '/dev/vdusecard', '/dev/vduse'])('is not %s', (path) => {
    expect(isVdusePath(path)).toBe(false);
  });

  it.each(['', '.', '..', 'control', '../null', 'a/b', 'a\0b', 'x'.repeat(201), 'é'.repeat(101)])(
    'with the name "%s" is refused',
    (name) => {
      expect(() => VhostDriver.register(`/dev/vduse/${name}`)).toThrow(coded('VIO_OPTION_VALUE'));
    },
  );
});

describe('a VDUSE device', () => {
  it.each([
    [{ client: true }],
    [{ client: true, noReconnect: true, asyncConnect: true }],
    [{ socket: { mode: 0o600 } }],
    [{ iommuSupport: true }],
    [{ postcopySupport: true }],
    [{ asyncCopy: true }],
    [{ preAllocate: true }],
    [{ lock: true }],
  ])('has nothing of a socket: %j', (flags) => {
    expect(() => VhostDriver.register('/dev/vduse/card', flags)).toThrow(coded('VIO_OPTION_CONFLICT'));
  });

  it('may be tried once, and say where its state is', () => {
    const driver = VhostDriver.register('/dev/vduse/card', {
      noReconnect: true,
      stateDirectory: '/run/mine',
    });
    expect(driver.path).toBe('/dev/vduse/card');
  });

  it('alone keeps a state', () => {
    const flags = { stateDirectory: '/run/mine' };
    expect(() => VhostDriver.register('/run/card.sock', flags)).toThrow(coded('VIO_OPTION_CONFLICT'));
  });
});
