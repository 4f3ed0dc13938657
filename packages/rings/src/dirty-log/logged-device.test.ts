import { describe, expect, it } from 'vitest';
import { freshMemory } from '../testing/guest-memory.ts';
import { formats, setUp } from '../test-support/device-setup.ts';
import { Region } from '../memory/region.ts';
import { DirtyLog } from '../memory/dirty-log.ts';
import { LoggedDevice, type LoggedDeviceOptions } from './logged-device.ts';

const page = 4096;
const size = 512;
/** Rings of several pages; buffers begin on pages of their own behind them. */
const guestAddress = 0x10_0000;
const buffers = guestAddress + 16 * page;

function setUpLog(format: (typeof formats)[number], options: Partial<LoggedDeviceOptions> = {}, bytes = 128) {
  const memory = freshMemory({ guestAddress, size: 64 * page });
  const { driver, queue, chains } = setUp(format, { size, memory });
  const region = new Region(new ArrayBuffer(bytes));
  let beyond = 0;
  const log = new DirtyLog(region, () => beyond++);
  const logged = new LoggedDevice(queue, { log, memory, addresses: driver.addresses, ...options });
  region.u8.fill(0);
  /** The pages that were marked since the last call, from the start of the memory on. */
  const marked = (): number[] => {
    const pages = Array.from({ length: 8 * bytes }, (_, i) => i)
      .filter((i) => ((region.u8[i >> 3] >> (i & 7)) & 1) === 1)
      .map((i) => i - guestAddress / page);
    region.u8.fill(0);
    return pages;
  };
  const used = (offset: number): number =>
    Math.floor(
      (format === 'packed'
        ? driver.addresses.descriptors.offset + offset
        : driver.addresses.device.offset + offset) / page,
    );
  return { driver, queue, logged, chains, log, region, marked, used, beyond: () => beyond };
}

describe.each(formats)('the log of a %s ring', (format) => {
  const packed = format === 'packed';
  const entry = (at: number): number => (packed ? 16 * at : 4 + 8 * at);

  it('has the pages of what was written to buffers, and of the entries that say so', () => {
    const { driver, logged, chains, marked, used } = setUpLog(format);
    driver.expose([
      { address: buffers + 10, length: page },
      { address: buffers + 3 * page - 1, length: 1, writable: true },
      { address: buffers + 5 * page, length: 3 * page, writable: true },
    ]);
    logged.fetch(chains, 1);
    expect(marked()).toEqual([]);
    chains.written[0] = 1 + page;
    logged.complete(chains, 0, 1);
    expect(marked()).toEqual([...new Set([used(0), 18, 21])]);
  });

  it('has all of a buffer where nobody says how much of it was written', () => {
    const { driver, logged, chains, marked, used } = setUpLog(format, { whole: true });
    driver.expose([{ address: buffers, length: 2 * page, writable: true }]);
    logged.fetch(chains, 1);
    logged.unfetch(chains, 1);
    expect(marked()).toEqual([16, 17]);
    logged.fetch(chains, 1);
    chains.written[0] = 0;
    logged.complete(chains, 0, 1);
    expect(marked()).toEqual([used(0), 16, 17]);
  });

  it('has the entries on both ends of the ring', () => {
    const { driver, logged, chains, marked, used } = setUpLog(format);
    const buffer = [{ address: buffers, length: 16 }];
    let left = size - 2;
    while (left > 0) {
      const count = Math.min(left, 30);
      driver.expose(...Array.from({ length: count }, () => buffer));
      logged.complete(chains, 0, logged.fetch(chains, count));
      driver.used();
      left -= count;
    }
    marked();
    driver.expose(buffer, buffer, buffer);
    expect(logged.usedAt()).toBe(size - 2);
    logged.complete(chains, 0, logged.fetch(chains, 3));
    expect(marked()).toEqual([...new Set([used(0), used(entry(size - 2)), used(entry(size - 1) + 7)])]);
  });

  it('has what tells the driver whether to kick', () => {
    const { driver, logged, marked } = setUpLog(format);
    const { offset } = driver.addresses.device;
    const event = Math.floor(offset / page);
    const behind = Math.floor((offset + 4 + 8 * size) / page);
    logged.armKick();
    expect(marked()).toEqual(packed ? [event] : [event, behind]);
    logged.disarmKick();
    expect(marked()).toEqual(packed ? [event] : [event, behind]);
  });

  it('has what was written to the ring before the log was known', () => {
    const { driver, queue, log, logged, marked, used } = setUpLog(format);
    const memory = freshMemory({ guestAddress, size: 64 * page });
    expect(logged.bare).toBe(queue);
    expect(new LoggedDevice(queue, { log, memory, addresses: driver.addresses }).log).toBe(log);
    const pages = marked();
    expect(pages).toEqual(expect.arrayContaining([used(0), used(entry(size) - 1)]));
  });

  it('has the device area where the frontend says it is, as well', () => {
    const elsewhere = guestAddress + 40 * page;
    const { logged, marked } = setUpLog(format, { deviceAddress: elsewhere });
    logged.armKick();
    expect(marked()).toEqual(expect.arrayContaining([40]));
  });

  it('says once that there are pages it has no bits for, and is written within its bounds', () => {
    const { driver, logged, chains, beyond, marked } = setUpLog(format, {}, guestAddress / page / 8 + 3);
    driver.expose([{ address: buffers + 6 * page, length: 8 * page, writable: true }]);
    logged.fetch(chains, 1);
    chains.written[0] = 8 * page;
    logged.complete(chains, 0, 1);
    expect([beyond(), marked()]).toEqual([1, expect.arrayContaining([22, 23])]);
    logged.log.mark(2 ** 53 - 2, 1);
    expect([beyond(), marked()]).toEqual([1, []]);
  });

  it('tells who wants to know that something was marked', () => {
    const { driver, logged, chains, log } = setUpLog(format);
    let told = 0;
    log.onMarked = () => told++;
    driver.expose([{ address: buffers, length: 16 }]);
    logged.complete(chains, 0, logged.fetch(chains, 1));
    expect(told).toBe(1);
  });
});
