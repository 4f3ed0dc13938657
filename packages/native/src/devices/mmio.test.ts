import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchDirectory } from '@vio/test-support';
import { afterEach, describe, expect, it } from 'vitest';
import { neighbours } from '../memory/contiguous-memory.ts';
import { closeFd } from '../fds/fd.ts';
import { FileRegisters, MmioRegisters } from './mmio.ts';
import { SharedMemory } from '../memory/shared-memory.ts';

const scratch = scratchDirectory();
let files = 0;
const open: Disposable[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each[Symbol.dispose]();
});

/** A page of memory stands for a BAR: the same bytes as an array and as registers. */
function setUp() {
  const memory = SharedMemory.create({ size: 4096 });
  const registers = MmioRegisters.map(memory.fd, 0, 4096);
  open.push(memory, registers);
  return { registers, bytes: new Uint8Array(memory.buffer), view: new DataView(memory.buffer) };
}

describe('mapped registers', () => {
  it.each([1, 2, 4] as const)('writes exactly %i bytes, little-endian', (width) => {
    const { registers, bytes } = setUp();
    bytes.fill(0xee);
    registers.write(8, width, 0x44332211);
    const expected = new Uint8Array(16).fill(0xee);
    expected.set([0x11, 0x22, 0x33, 0x44].slice(0, width), 8);
    expect(bytes.slice(0, 16)).toEqual(expected);
  });

  it.each([
    [1, 0x88],
    [2, 0x7788],
    [4, 0xf5667788],
  ] as const)('reads %i bytes as a number without sign', (width, value) => {
    const { registers, view } = setUp();
    view.setUint32(4, 0xf5667788, true);
    expect(registers.read(4, width)).toBe(value);
  });

  it('reads and writes 64 bits in one access', () => {
    const { registers, view } = setUp();
    registers.write64(16, 0xfedc_ba98_7654_3210n);
    expect(view.getBigUint64(16, true)).toBe(0xfedc_ba98_7654_3210n);
    expect(registers.read64(16)).toBe(0xfedc_ba98_7654_3210n);
  });

  it.each([
    ['behind the end', 4096, 1],
    ['across the end', 4094, 4],
    ['before the beginning', -4, 4],
    ['not aligned', 1, 2],
  ] as const)('refuses an access %s', (_, offset, width) => {
    const { registers } = setUp();
    const error = expect.objectContaining({ code: 'VIO_REGISTER_RANGE' });
    expect(() => registers.read(offset, width)).toThrow(error);
    expect(() => registers.write(offset, width, 1)).toThrow(error);
  });

  it('refuses every access once closed', () => {
    const { registers } = setUp();
    registers.close();
    expect(() => registers.read(0, 1)).toThrow(expect.objectContaining({ code: 'VIO_REGISTER_RANGE' }));
    expect(registers.faulted).toBe(false);
  });

  it('survives a device that goes away, and says so', () => {
    const { path } = file(4096);
    const fd = openSync(path, 'r+');
    using registers = MmioRegisters.map(fd, 0, 4096);
    closeFd(fd);
    writeFileSync(path, '');
    expect(registers.read(0, 4)).toBe(0);
    expect(registers.faulted).toBe(true);
  });
});

describe('registers behind a file', () => {
  it.each([1, 2, 4] as const)('writes and reads exactly %i bytes at the base and offset', (width) => {
    const { fd } = file(64);
    const registers = new FileRegisters(fd, 32, 16);
    registers.write(8, width, 0xf4332211);
    expect(registers.read(8, width)).toBe([0, 0x11, 0x2211, 0, 0xf4332211][width]);
    expect(new FileRegisters(fd, 0, 64).read(40 + width, 1)).toBe(0);
  });

  it('refuses an access beside them', () => {
    const { fd } = file(64);
    const registers = new FileRegisters(fd, 32, 16);
    const error = expect.objectContaining({ code: 'VIO_REGISTER_RANGE' });
    expect(() => registers.read(16, 1)).toThrow(error);
    expect(() => registers.write(2, 4, 0)).toThrow(error);
  });

  it('tells of a device that answers with less', () => {
    const { fd } = file(2);
    expect(() => new FileRegisters(fd, 0, 64).read(0, 4)).toThrow(
      expect.objectContaining({ code: 'VIO_DEVICE_GONE' }),
    );
  });
});

function file(bytes: number): { fd: number; path: string } {
  const path = join(scratch, `registers-${files++}`);
  writeFileSync(path, new Uint8Array(bytes));
  const fd = openSync(path, 'r+');
  open.push({ [Symbol.dispose]: () => closeFd(fd) });
  return { fd, path };
}

describe('pages that are neighbours in physical memory', () => {
  const page = 2 ** 21;

  it.each([
    ['in any order', [5, 3, 4], 3, [1, 2, 0]],
    ['among others', [9, 1, 6, 5], 2, [3, 2]],
    ['one page', [7], 1, [0]],
    ['not enough of them', [1, 3, 5], 2, undefined],
    ['only across 4 GiB', [2047, 2048], 2, undefined],
    ['behind 4 GiB', [2047, 2048, 2049], 2, [1, 2]],
  ])('%s', (_, frames, count, expected) => {
    expect(
      neighbours(
        frames.map((frame) => frame * page),
        count,
        page,
      ),
    ).toEqual(expected);
  });
});
