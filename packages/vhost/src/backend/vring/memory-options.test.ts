import { readFileSync } from 'node:fs';
import { MappedFile, SharedMemory, VioError } from '@vio/native';
import { until } from '@vio/test-support';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { frontendRequests as requests } from '../../wire/index.ts';
import type { VhostDriverFlags } from '../driver/driver-flags.ts';
import { Guest } from '../../test-support/guest.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';

const size = 2 ** 20;
const region = { guestAddress: 0, userAddress: 0x7f00_0000_0000, size, mmapOffset: 0 };

/** Both mappings of a name: KiB of a field of /proc/self/smaps. */
function fields(name: string, field: string): number[] {
  const parts = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const value = new RegExp(`^${field}:\\s*(\\d+) kB`, 'm');
  return parts.filter((part) => part.includes(name)).map((part) => Number(value.exec(part)?.[1]));
}

/** What a backend with these flags makes of memory that nobody has touched. */
async function announced(name: string, flags: VhostDriverFlags, field: string): Promise<number[]> {
  await using backend = await TestBackend.start(flags);
  using memory = SharedMemory.create({ size, name, populate: false });
  const frontend = await backend.connect();
  await frontend.send(requests.SET_MEM_TABLE, [region], { fds: [memory.fd] });
  await handled(frontend);
  return fields(name, field).toSorted((a, b) => a - b);
}

afterEach(() => vi.restoreAllMocks());

describe('the memory of a driver', () => {
  it('is not touched when it is announced', async () => {
    expect(await announced('vio-test-untouched', {}, 'Rss')).toEqual([0, 0]);
  });

  it('is faulted in with preAllocate', async () => {
    expect(await announced('vio-test-allocated', { preAllocate: true }, 'Rss')).toEqual([0, size / 1024]);
  });

  it('stays in memory with lock', async () => {
    expect(await announced('vio-test-locked', { lock: true }, 'Locked')).toEqual([0, size / 1024]);
  });

  it.each([
    [{}, 'Locked', size / 1024],
    [{}, 'Rss', size / 1024],
    [{ lock: false }, 'Locked', 0],
    [{ lock: false }, 'Rss', size / 1024],
    [{ lock: false, preAllocate: false }, 'Rss', 0],
  ] as const)(
    'is there for copies beside the thread, unless it is not to be: %o, %s',
    async (but, field, kib) => {
      expect(await announced('vio-test-async', { asyncCopy: true, ...but }, field)).toEqual([0, kib]);
    },
  );

  it('is let go when its frontend does, and when other memory takes its place', async () => {
    await using backend = await TestBackend.start({ asyncCopy: true });
    const [first, second] = ['vio-test-first', 'vio-test-second'];
    using one = SharedMemory.create({ size, name: first, populate: false });
    using other = SharedMemory.create({ size, name: second, populate: false });
    const locked = (name: string): number => fields(name, 'Locked').reduce((sum, kib) => sum + kib, 0);
    const frontend = await backend.connect();
    await frontend.send(requests.SET_MEM_TABLE, [region], { fds: [one.fd] });
    await handled(frontend);
    expect([locked(first), locked(second)]).toEqual([size / 1024, 0]);
    await frontend.send(requests.SET_MEM_TABLE, [region], { fds: [other.fd] });
    await handled(frontend);
    expect([locked(first), locked(second)]).toEqual([0, size / 1024]);
    frontend.close();
    await until(() => backend.ended.length === 1);
    expect([locked(first), locked(second)]).toEqual([0, 0]);
  });

  it.each(['SET_MEM_TABLE', 'ADD_MEM_REG'] as const)(
    'that cannot be locked is refused with the remedy of the limit: %s',
    async (name) => {
      await using backend = await TestBackend.start({ lock: true });
      using guest = new Guest();
      const frontend = await backend.connect();
      const details = { code: 'VIO_MEMORY_LOCK', remedy: 'raise RLIMIT_MEMLOCK (ulimit -l)' };
      vi.spyOn(MappedFile, 'map').mockImplementation(() => {
        throw new VioError('cannot map: mlock says ENOMEM', details);
      });
      const fds = { fds: [guest.fd], needReply: true };
      if (name === 'SET_MEM_TABLE') await frontend.send(requests.SET_MEM_TABLE, [guest.regions[0]], fds);
      else await frontend.send(requests.ADD_MEM_REG, guest.regions[0], fds);
      await until(() => backend.refused.length > 0);
      expect(backend.refused).toEqual([expect.objectContaining(details)]);
      expect(backend.ended).toEqual([]);
    },
  );
});
