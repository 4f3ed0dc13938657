import { constants } from 'node:buffer';
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { constants as os } from 'node:os';
import { join } from 'node:path';
import {
  collectGarbage,
  failureOf,
  mappingField,
  mappingsNamed,
  openFds,
  scratchDirectory,
} from '@vio/test-support';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { addon } from '../addon.ts';
import { VioError } from '../error.ts';
import { closeFd, sealsOfFd, sizeOfFd } from '../fds/fd.ts';
import { SharedMemory } from './shared-memory.ts';
import { runChild, unprivileged } from '../test-support/child.ts';

const { errno } = os;
const directory = scratchDirectory();
const page = addon.pageSize;

/** A file that its owner may truncate at any time, open for reading and writing. */
function unsealedFile(name: string, bytes: number): number {
  const fd = openSync(join(directory, name), 'w+');
  ftruncateSync(fd, bytes);
  return fd;
}

describe('memory that is created', () => {
  it('has whole pages', () => {
    using memory = SharedMemory.create({ size: page + 1 });
    expect([memory.size, sizeOfFd(memory.fd)]).toEqual([2 * page, 2 * page]);
  });

  it('is zero', () => {
    using memory = SharedMemory.create({ size: page });
    expect(new Uint8Array(memory.buffer).every((byte) => byte === 0)).toBe(true);
  });

  it('may not shrink, whoever has its fd', () => {
    using memory = SharedMemory.create({ size: 2 * page });
    const other = openSync(`/proc/self/fd/${memory.fd}`, 'r+');
    expect(() => ftruncateSync(other, page)).toThrow('EPERM');
    closeSync(other);
  });

  it('may grow', () => {
    using memory = SharedMemory.create({ size: page });
    ftruncateSync(memory.fd, 2 * page);
    expect(sealsOfFd(memory.fd)).toEqual({ shrink: true, grow: false, write: false });
  });

  it('carries its name for people who look at the process', () => {
    using memory = SharedMemory.create({ size: page, name: 'vio-test-name' });
    expect([mappingsNamed('memfd:vio-test-name'), memory.faulted]).toEqual([1, false]);
  });

  it.each([0, -1, NaN, 2 ** 62, constants.MAX_LENGTH + page])('cannot have %d bytes', (size) => {
    expect(failureOf(() => SharedMemory.create({ size, populate: false })).code).toBe('VIO_MEMORY_RANGE');
  });

  it('is all resident by default', () => {
    using memory = SharedMemory.create({ size: 64 * page, name: 'vio-test-populated' });
    expect(mappingField('vio-test-populated', 'Rss')).toBe(memory.size / 1024);
  });

  it('is resident where it was touched without populate', () => {
    using memory = SharedMemory.create({ size: 64 * page, name: 'vio-test-lazy', populate: false });
    new Uint8Array(memory.buffer)[0] = 1;
    expect(mappingField('vio-test-lazy', 'Rss')).toBe(page / 1024);
  });

  it('stays in memory when locked', () => {
    using memory = SharedMemory.create({ size: 4 * page, name: 'vio-test-locked', lock: true });
    expect(mappingField('vio-test-locked', 'Locked')).toBe(memory.size / 1024);
  });

  it('cannot be locked over RLIMIT_MEMLOCK, and says what to raise', async () => {
    const { stdout } = await runChild(
      `import { readdirSync } from 'node:fs';
      ${unprivileged}
      const fds = () => readdirSync('/proc/self/fd').length;
      const before = fds();
      try { native.SharedMemory.create({ size: 65536, lock: true }); }
      catch ({ code, remedy, cause }) { print([code, /ulimit -l/.test(remedy), cause.syscall, fds() - before]); }`,
      ['prlimit', '--memlock=0:0'],
    );
    expect(JSON.parse(stdout)).toEqual(['VIO_MEMORY_LOCK', true, 'mlock', 0]);
  });
});

describe('memory that is mapped', () => {
  it('shares its bytes, both ways', () => {
    using memory = SharedMemory.create({ size: page });
    using same = SharedMemory.map(memory.fd, { size: page });
    const [here, there] = [new Uint8Array(memory.buffer), new Uint8Array(same.buffer)];
    here[0] = 42;
    there[1] = 43;
    expect([there[0], here[1]]).toEqual([42, 43]);
  });

  it('begins at its offset', () => {
    using memory = SharedMemory.create({ size: 2 * page });
    new Uint8Array(memory.buffer)[page] = 7;
    using second = SharedMemory.map(memory.fd, { offset: page, size: page });
    expect(new Uint8Array(second.buffer)[0]).toBe(7);
  });

  it('leaves the fd to the caller', () => {
    using memory = SharedMemory.create({ size: page });
    const mapping = SharedMemory.map(memory.fd, { size: page });
    mapping.close();
    expect([mapping.fd, sizeOfFd(memory.fd)]).toEqual([-1, page]);
  });

  it.each([
    { offset: 0, size: 2 * page },
    { offset: page, size: 1 },
    { offset: 0, size: 0 },
    { offset: 0, size: NaN },
  ])('cannot go beyond the file: $size bytes at $offset', (range) => {
    using memory = SharedMemory.create({ size: page });
    expect(failureOf(() => SharedMemory.map(memory.fd, range)).code).toBe('VIO_MEMORY_RANGE');
  });

  it('cannot begin within a page', () => {
    using memory = SharedMemory.create({ size: 2 * page });
    const error = failureOf(() => SharedMemory.map(memory.fd, { offset: 1, size: page }));
    expect(error.code).toBe('VIO_SYS_EINVAL');
  });

  it('needs an fd that is open', () => {
    expect(failureOf(() => SharedMemory.map(-1, { size: page })).code).toBe('VIO_MEMORY_RANGE');
  });

  it('is limited in number, and says so', async () => {
    const { stdout } = await runChild(`
      const memory = native.SharedMemory.create({ size: 4096 });
      const all = [memory];
      try { for (;;) all.push(native.SharedMemory.map(memory.fd, { size: 4096 })); }
      catch ({ code }) { print([all.length, code]); }`);
    expect(JSON.parse(stdout)).toEqual([32_768, 'VIO_MEMORY_MAPPINGS']);
  });
});

describe('closing', () => {
  it('frees the shared pages and the fd at once', () => {
    const before = openFds();
    const memory = SharedMemory.create({ size: page, name: 'vio-test-closed' });
    memory.close();
    expect([mappingsNamed('vio-test-closed'), openFds() - before, memory.fd]).toEqual([0, 0, -1]);
  });

  it('twice is as good as once', () => {
    const memory = SharedMemory.create({ size: page });
    memory.close();
    const reused = SharedMemory.create({ size: page }); // takes the number of the closed fd
    memory.close();
    expect(sizeOfFd(reused.fd)).toBe(page);
    reused.close();
  });

  it('leaves views that read zeroes', () => {
    const memory = SharedMemory.create({ size: page });
    const view = new Uint8Array(memory.buffer).fill(1);
    memory.close();
    expect([view.length, view.every((byte) => byte === 0)]).toEqual([page, true]);
  });

  it('leaves views that write into the void', () => {
    using memory = SharedMemory.create({ size: page });
    const mapping = SharedMemory.map(memory.fd, { size: page });
    const view = new Uint8Array(mapping.buffer);
    mapping.close();
    view.fill(9);
    expect(new Uint8Array(memory.buffer)[0]).toBe(0);
  });

  it('is left to garbage collection by who drops the memory', async () => {
    const before = openFds();
    (() => {
      for (let i = 0; i < 8; i++) SharedMemory.create({ size: page, name: 'vio-test-dropped' });
    })();
    await expect
      .poll(() => {
        collectGarbage();
        return [mappingsNamed('vio-test-dropped'), openFds() - before];
      })
      .toEqual([0, 0]);
  });

  it('gives the address space back when the views are gone', async () => {
    const before = readFileSync('/proc/self/maps', 'utf8').split('\n').length;
    (() => {
      const all = Array.from({ length: 200 }, () => SharedMemory.create({ size: page }));
      for (const memory of all) memory.close();
    })();
    await expect
      .poll(() => {
        collectGarbage();
        return readFileSync('/proc/self/maps', 'utf8').split('\n').length - before;
      })
      .toBeLessThan(100);
  });
});

describe('a file that is truncated under its mapping', () => {
  it('reads as zeroes and is told of', () => {
    const fd = unsealedFile('read', 2 * page);
    writeSync(fd, 'x', page);
    using mapping = SharedMemory.map(fd, { size: 2 * page });
    ftruncateSync(fd, page);
    const view = new Uint8Array(mapping.buffer);
    const told = mapping.faulted;
    expect([told, view[page], mapping.faulted]).toEqual([false, 0, true]);
    closeFd(fd);
  });

  it('takes writes', () => {
    const fd = unsealedFile('write', page);
    using mapping = SharedMemory.map(fd, { size: page });
    ftruncateSync(fd, 0);
    const view = new Uint8Array(mapping.buffer);
    view.fill(5);
    expect([view[page - 1], mapping.faulted]).toEqual([5, true]);
    closeFd(fd);
  });

  it('does not touch the mapping beside it', () => {
    const fd = unsealedFile('beside', page);
    using mapping = SharedMemory.map(fd, { size: page });
    using other = SharedMemory.create({ size: page });
    new Uint8Array(other.buffer)[0] = 3;
    ftruncateSync(fd, 0);
    new Uint8Array(mapping.buffer)[0] = 1;
    expect([other.faulted, new Uint8Array(other.buffer)[0]]).toEqual([false, 3]);
    closeFd(fd);
  });

  it('is survived however many of its pages are touched, here and there', async () => {
    // Twice as many as a process may have mappings by default.
    const { end, stdout, stderr } = await runChild(`
      import { ftruncateSync, openSync, readFileSync } from 'node:fs';
      const fd = openSync('${join(directory, 'many')}', 'w+');
      const pages = 2 * 65_536;
      const size = ${page} * pages;
      const mappings = () => readFileSync('/proc/self/maps', 'utf8').split('\\n').length;
      const before = mappings();
      let zeroes = 0;
      for (let round = 0; round < 2; round++) {
        ftruncateSync(fd, size);
        const mapping = native.SharedMemory.map(fd, { size, populate: false });
        ftruncateSync(fd, 0);
        const view = new Uint8Array(mapping.buffer);
        for (let at = 0; at < size; at += 2 * ${page}) if (view[at] === 0) zeroes++;
        if (!mapping.faulted || mappings() - before > 10_000) throw new Error('faulted, and few mappings');
        mapping.close();
      }
      print(zeroes === pages);`);
    expect([end, stdout.trim(), stderr]).toEqual([0, 'true', '']);
  });

  it('is survived after the worker thread that loaded the addon first has ended', async () => {
    const { end, stdout, stderr } = await runChildWithWorker();
    expect([end, stdout.trim(), stderr]).toEqual([0, 'true', '']);
  });

  it('ends the process as ever when the mapping is somebody else’s', async () => {
    const { end } = await runChild(`
      native.SharedMemory.create({ size: 4096 }).close(); // installs the guard
      process.kill(process.pid, 'SIGBUS');
      setTimeout(() => {}, 10_000);`);
    expect(end).toBe('SIGBUS');
  });
});

function runChildWithWorker(): ReturnType<typeof runChild> {
  const file = join(directory, 'worker');
  return runChild(`
    import { Worker } from 'node:worker_threads';
    import { closeSync, ftruncateSync, openSync } from 'node:fs';
    const fd = openSync(${JSON.stringify(file)}, 'w+');
    ftruncateSync(fd, 4096);
    const mapping = native.SharedMemory.map(fd, { size: 4096 });
    const worker = new Worker(
      'import(' + JSON.stringify(new URL('dist/index.js', 'file://' + process.cwd() + '/').href) + ').then(' +
        '({ SharedMemory }) => { SharedMemory.create({ size: 4096 }); })', { eval: true });
    worker.once('exit', () => {
      ftruncateSync(fd, 0);
      new Uint8Array(mapping.buffer)[0] = 1;
      print(mapping.faulted);
      closeSync(fd);
    });`);
}

describe('huge pages', () => {
  const huge = 2 ** 21;
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each([
    ['2M', 'hugepages-2048kB'],
    ['1G', 'hugepages-1048576kB'],
  ] as const)(
    'of %s that cannot be had are a named error, with the command that reserves them',
    (hugepages, pool) => {
      vi.spyOn(addon, 'mapFd').mockImplementation(() => {
        throw Object.assign(new Error('as the kernel'), { errno: errno.ENOMEM, syscall: 'mmap' });
      });
      const size = hugepages === '2M' ? 3 * huge : 3 * 2 ** 30;
      const before = openFds();
      const error = failureOf(() => SharedMemory.create({ size, hugepages }));
      expect([error.code, error.remedy, openFds() - before]).toEqual([
        'VIO_HUGEPAGES',
        expect.stringContaining(`echo 3 > /sys/kernel/mm/hugepages/${pool}/nr_hugepages`),
        0,
      ]);
    },
  );

  it('that a control group forbids are that error, and no fault of memory that is there', () => {
    vi.spyOn(addon, 'memfdCreate').mockImplementation(() => {
      throw Object.assign(new Error('as the kernel'), { errno: errno.ENOSPC, syscall: 'fallocate' });
    });
    expect(failureOf(() => SharedMemory.create({ size: 1, hugepages: '2M' })).code).toBe('VIO_HUGEPAGES');
  });

  // Whether this machine has some at the moment is not this test's business.
  it('are mapped, as a whole and in part, or are a named error', () => {
    const attempt = (): unknown => {
      using memory = SharedMemory.create({ size: 1, hugepages: '2M', name: 'vio-test-huge' });
      const part = SharedMemory.map(memory.fd, { size: 4096 });
      new Uint8Array(memory.buffer)[0] = 17;
      const seen = new Uint8Array(part.buffer)[0];
      const sizes = [memory.size, part.size];
      part.close();
      memory.close();
      return [...sizes, seen, mappingsNamed('vio-test-huge')];
    };
    let outcome: unknown;
    try {
      outcome = attempt();
    } catch (error) {
      outcome = VioError.is(error) ? error.code : error;
    }
    expect([[huge, 4096, 17, 0], 'VIO_HUGEPAGES']).toContainEqual(outcome);
  });
});
