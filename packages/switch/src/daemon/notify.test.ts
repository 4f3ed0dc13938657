// systemd's program is replaced by one that notes what it is told.
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchDirectory, until } from '@vio/test-support';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { notifySystemd, watchdog } from './notify.ts';

const directory = scratchDirectory('notify');
const told = join(directory, 'told');
const words = (): string[] => (existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : []);
const turned = (): Promise<void> => Promise.resolve();
const before = { PATH: process.env['PATH'], NOTIFY_SOCKET: process.env['NOTIFY_SOCKET'] };

beforeEach(() => {
  writeFileSync(join(directory, 'systemd-notify'), `#!/bin/sh\necho "$@" >>${told}\n`);
  chmodSync(join(directory, 'systemd-notify'), 0o755);
  process.env['PATH'] = `${directory}:${before.PATH}`;
  process.env['NOTIFY_SOCKET'] = '/run/systemd/notify';
});
afterEach(() => {
  process.env['PATH'] = before.PATH;
  if (before.NOTIFY_SOCKET === undefined) delete process.env['NOTIFY_SOCKET'];
  else process.env['NOTIFY_SOCKET'] = before.NOTIFY_SOCKET;
});

describe('systemd', () => {
  it('is told where it wants to know', async () => {
    await notifySystemd('READY=1');
    expect(words()).toEqual(['READY=1']);
  });

  it('has its watchdog told again and again, until that is ended', async () => {
    const calm = watchdog(turned, { WATCHDOG_USEC: '60000', WATCHDOG_PID: String(process.pid) });
    const count = (): number => words().filter((word) => word === 'WATCHDOG=1').length;
    await until(() => count() >= 2);
    calm();
    expect(count()).toBeGreaterThanOrEqual(2);
  });

  it('does not have it told while a thread stands still', async () => {
    const heard = words().length;
    const calm = watchdog(() => new Promise(() => {}), { WATCHDOG_USEC: '1000' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    calm();
    expect(words()).toHaveLength(heard);
  });

  it.each([
    ['no watchdog', {}],
    ['that of another process', { WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' }],
    ['one that is no time', { WATCHDOG_USEC: 'soon' }],
  ])('with %s is told nothing of it', async (_, env) => {
    const heard = words().length;
    const calm = watchdog(turned, env);
    await new Promise((resolve) => setTimeout(resolve, 20));
    calm();
    expect(words()).toHaveLength(heard);
  });
});
