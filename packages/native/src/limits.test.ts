import { readFileSync } from 'node:fs';
import { failureOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { EventFd } from './fds/event-fd.ts';
import { resourceLimit, waitReadable } from './limits.ts';
import { runChild } from './test-support/child.ts';
import { UnixStream } from './sockets/unix-stream.ts';

/** A line of /proc/self/limits. */
function procLimit(line: string): { soft: number; hard: number } {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const [, soft, hard] = new RegExp(`^${line}\\s+(\\S+)\\s+(\\S+)`, 'm').exec(limits) ?? [];
  const number = (text: string): number => (text === 'unlimited' ? Infinity : Number(text));
  return { soft: number(soft), hard: number(hard) };
}

describe('resource limits', () => {
  it('of locked memory are those of the process, in bytes', () => {
    expect(resourceLimit('memlock')).toEqual(procLimit('Max locked memory'));
  });

  it('of open files are those of the process', () => {
    expect(resourceLimit('nofile')).toEqual(procLimit('Max open files'));
  });

  it('have a soft and a hard value', async () => {
    const { stdout } = await runChild(`print(native.resourceLimit('memlock'))`, [
      'prlimit',
      '--memlock=4096:8192',
    ]);
    expect(JSON.parse(stdout)).toEqual({ soft: 4096, hard: 8192 });
  });
});

describe('waiting for an fd in a thread', () => {
  it('ends without it when time is over', () => {
    using event = EventFd.create();
    expect(waitReadable(event.fd, 1)).toBe(false);
  });

  it('ends at once when there is something', () => {
    using event = EventFd.create();
    event.signal();
    expect(waitReadable(event.fd, -1)).toBe(true);
  });

  it('ends when the other side ends', () => {
    const [here, there] = UnixStream.pair();
    there.close();
    expect(waitReadable(here.fd, -1)).toBe(true);
    here.close();
  });

  it('is an error when the fd is not open', () => {
    const event = EventFd.create();
    const number = event.fd;
    event.close();
    expect(failureOf(() => waitReadable(number, -1)).code).toBe('VIO_SYS_EBADF');
  });

  it('ends when there is something at any of many', () => {
    const events = Array.from({ length: 200 }, () => EventFd.create());
    events[150].signal();
    const numbers = events.map(({ fd }) => fd);
    const [signalled, rest] = [waitReadable(numbers, -1), waitReadable(numbers.slice(0, 150), 0)];
    for (const event of events) event.close();
    expect([signalled, rest]).toEqual([true, false]);
  });

  it('without any ends when time is over', () => {
    expect(waitReadable([], 1)).toBe(false);
  });

  it('does not keep a thread from being terminated', async () => {
    const { stdout } = await runChild(`
      const thread = startWorker("parentPort.postMessage(0); native.waitReadable(workerData, -1);", native.EventFd.create().fd);
      await new Promise((resolve) => thread.once('message', resolve));
      print(await thread.terminate());
    `);
    expect(stdout).toBe('1\n');
  });
});
