import { ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { collectGarbage, failureOf, mappingsNamed, scratchDirectory } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { addon } from '../addon.ts';
import { closeFd } from '../fds/fd.ts';
import { MappedFile } from './mapped-file.ts';
import { SharedMemory } from './shared-memory.ts';
import { runChild } from '../test-support/child.ts';

const directory = scratchDirectory();
const page = addon.pageSize;
const TiB = 2 ** 40;
let files = 0;

/** A file of holes, or of bytes that count up. */
function file(bytes: number, content: 'holes' | 'numbers' = 'holes'): number {
  const fd = openSync(join(directory, `mapped-file-${files++}`), 'w+');
  if (content === 'holes') ftruncateSync(fd, bytes);
  else writeSync(fd, numbers(0, bytes));
  return fd;
}

const numbers = (from: number, count: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => ((from + i) * 7 + ((from + i) >> 8)) & 0xff);

const bytesOf = ({ buffer, byteOffset }: { buffer: ArrayBuffer; byteOffset: number }): Uint8Array =>
  new Uint8Array(buffer, byteOffset);

describe('a mapped file', () => {
  it.each([
    [0, 3 * page, 0, 3 * page],
    [8, page, 0, page],
    [page - 1, 2 * page, 1, page],
    [page + 24, page + 100, page - 30, 60],
    [2 * page, page, page - 1, 1],
    [3, 10, 5, 5],
  ])('from byte %d, %d long, is seen from byte %d, %d long', (offset, size, at, count) => {
    const fd = file(4 * page, 'numbers');
    using mapped = MappedFile.map(fd, { offset, size });
    expect([bytesOf(mapped.bytes(at, count)), mapped.size]).toEqual([numbers(offset + at, count), size]);
    closeFd(fd);
  });

  it('begins with a buffer in whole pages, so that words stay words', () => {
    const fd = file(4 * page);
    using mapped = MappedFile.map(fd, { offset: page + 24, size: 2 * page });
    expect([0, 8, page, page + 8].map((at) => mapped.bytes(at, 8).byteOffset)).toEqual([24, 32, 24, 32]);
    closeFd(fd);
  });

  it('shares its bytes with everybody who has it, buffers that overlap as well', () => {
    using memory = SharedMemory.create({ size: 4 * page });
    using mapped = MappedFile.map(memory.fd, { offset: 100, size: 3 * page });
    bytesOf(mapped.bytes(page, 100))[7] = 42;
    expect([bytesOf(mapped.bytes(page - 3, 200))[10], new Uint8Array(memory.buffer)[page + 107]]).toEqual([
      42, 42,
    ]);
  });

  it.each([
    [0, page + 1],
    [page, 1],
    [1, page],
    [0, 0],
    [-1, 1],
    [0, NaN],
    [0.5, 1],
  ])('cannot go beyond the file: from byte %d, %d long', (offset, size) => {
    const fd = file(page);
    expect(failureOf(() => MappedFile.map(fd, { offset, size })).code).toBe('VIO_MEMORY_RANGE');
    closeFd(fd);
  });

  it.each([
    [-1, 2],
    [0, page + 1],
    [page, 1],
    [1, page],
    [0, 0],
    [0, -5],
  ])('shows nothing beyond itself: from byte %d, %d long', (offset, size) => {
    const fd = file(2 * page);
    using mapped = MappedFile.map(fd, { offset: 8, size: page });
    expect(failureOf(() => mapped.bytes(offset, size)).code).toBe('VIO_SYS_EINVAL');
    closeFd(fd);
  });

  it('tells when the file is truncated', () => {
    const fd = file(2 * page);
    using mapped = MappedFile.map(fd, { offset: 8, size: page });
    ftruncateSync(fd, 0);
    const before = mapped.faulted;
    expect([before, bytesOf(mapped.bytes(0, 8))[0], mapped.faulted]).toEqual([false, 0, true]);
    closeFd(fd);
  });

  it('of a terabyte costs no memory, and V8 nothing for what is seen of it', () => {
    const fd = file(TiB);
    using mapped = MappedFile.map(fd, { offset: 0, size: TiB });
    const { external } = process.memoryUsage();
    const seen = Array.from({ length: 64 }, (_, i) => mapped.bytes(i * 2 ** 34, 2 ** 30));
    seen.forEach((bytes, i) => (bytesOf(bytes)[i] = 7));
    expect((process.memoryUsage().external - external) / 2 ** 20).toBeLessThan(64);
    closeFd(fd);
  });

  it('is one mapping however much is seen of it', () => {
    using memory = SharedMemory.create({ size: 64 * page, name: 'vio-test-one', populate: false });
    using mapped = MappedFile.map(memory.fd, { offset: 0, size: 64 * page });
    for (let i = 0; i < 64; i++) mapped.bytes(i * page, page);
    expect(mappingsNamed('vio-test-one')).toBe(2);
  });

  it('has buffers whose memory cannot move elsewhere', () => {
    using memory = SharedMemory.create({ size: page });
    for (const name of ['transfer', 'transferToFixedLength']) {
      const move: unknown = Reflect.get(memory.buffer, name);
      expect(() => typeof move === 'function' && Reflect.apply(move, memory.buffer, [])).toThrow(TypeError);
    }
    expect(memory.buffer.byteLength).toBe(page);
  });
});

describe('a mapped file that is closed', () => {
  it('leaves buffers that read zeroes and write into the void, and nothing else', () => {
    using memory = SharedMemory.create({ size: 64 * page, name: 'vio-test-gone' });
    new Uint8Array(memory.buffer).fill(1);
    const mapped = MappedFile.map(memory.fd, { offset: 16, size: 63 * page });
    const views = [3, 4, 20].map((at) => bytesOf(mapped.bytes(at * page - 10, page)));
    mapped.close();
    const zeroes = views.map((view) => view.every((byte) => byte === 0));
    views.forEach((view) => view.fill(9));
    expect([zeroes, new Uint8Array(memory.buffer).every((byte) => byte === 1)]).toEqual([
      [true, true, true],
      true,
    ]);
    expect([mappingsNamed('vio-test-gone'), mapped.faulted]).toEqual([1, false]);
  });

  it('shows nothing any more, and may be closed again', () => {
    const fd = file(page);
    const mapped = MappedFile.map(fd, { offset: 0, size: page });
    mapped.close();
    mapped.close();
    expect(failureOf(() => mapped.bytes(0, 1)).code).toBe('VIO_SYS_EINVAL');
    closeFd(fd);
  });

  it('makes room for another at once, garbage or not: more than there is room for, one after the other', () => {
    using memory = SharedMemory.create({ size: page });
    for (let i = 0; i < 33_000; i++) MappedFile.map(memory.fd, { offset: 0, size: page }).close();
    using last = MappedFile.map(memory.fd, { offset: 0, size: page });
    expect(bytesOf(last.bytes(0, 1))[0]).toBe(0);
  });

  it('is collected before its remains use up what a process may have', async () => {
    const { stdout } = await runChild(`
      const { setImmediate: turn } = await import('node:timers/promises');
      const memory = native.SharedMemory.create({ size: 8192 });
      for (let i = 0; i < 70_000; i++) {
        const mapped = native.MappedFile.map(memory.fd, { offset: 0, size: 8192 });
        new Uint8Array(mapped.bytes(0, 8192).buffer)[5] = 1;
        mapped.close();
        if (i % 64 === 0) await turn();
      }
      print('done');`);
    expect(stdout).toBe('"done"\n');
  }, 150_000);

  it('gives its address space back when the last of its buffers is gone', async () => {
    const fd = file(TiB);
    const before = addressSpace();
    (() => {
      const mapped = MappedFile.map(fd, { offset: 0, size: TiB });
      bytesOf(mapped.bytes(2 ** 36, 2 ** 30))[0] = 1;
      mapped.close();
    })();
    await expect
      .poll(() => {
        collectGarbage();
        return addressSpace() - before < 2 ** 30;
      })
      .toBe(true);
    closeFd(fd);
  });

  it('that is dropped goes with garbage collection', async () => {
    using memory = SharedMemory.create({ size: page, name: 'vio-test-forgotten' });
    (() => {
      for (let i = 0; i < 4; i++) MappedFile.map(memory.fd, { offset: 0, size: page }).bytes(0, 1);
    })();
    await expect
      .poll(() => {
        collectGarbage();
        return mappingsNamed('vio-test-forgotten');
      })
      .toBe(1);
  });
});

/** Bytes of address space this process has in use. */
function addressSpace(): number {
  return Number(/^VmSize:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
}

describe('where private memory is not to be had (as under strict overcommit)', () => {
  const scarce = ['prlimit', `--data=${2 ** 31}`];

  // A sanitizer's own private memory is far more than any limit.
  it.skipIf(['asan', 'tsan'].includes(process.env['VIO_NATIVE_VARIANT'] ?? ''))(
    'closing does not fail, buffers read zeroes, what is written there stays there, and other memory is to be had',
    async () => {
      const { stdout, end } = await runChild(
        `const memory = native.SharedMemory.create({ size: 3 * 2 ** 30, name: 'vio-test-scarce', populate: false });
      const view = new Uint8Array(memory.buffer);
      view[5] = 1;
      memory.close();
      const before = view[5];
      view[2 ** 31] = 7;
      const more = new Uint8Array(2 ** 28).fill(1);
      const { readFileSync } = await import('node:fs');
      print([before, view[2 ** 31], view[2 ** 31 + 1], more[5], readFileSync('/proc/self/maps', 'utf8').includes('vio-test-scarce')]);`,
        scarce,
      );
      expect([stdout.trim(), end]).toEqual(['[0,7,0,1,false]', 0]);
    },
  );
});
