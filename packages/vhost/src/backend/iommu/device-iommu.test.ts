import { MemoryMap, Region } from '@vio/rings';
import { coded } from '@vio/test-support';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type IotlbMessage, iotlbType } from '../../wire/index.ts';
import { DeviceIommu } from './device-iommu.ts';

const userBase = 0x7f00_0000_0000;
const memory = new MemoryMap([
  { region: new Region(new ArrayBuffer(0x1_0000)), guestAddress: 0, userAddress: userBase, size: 0x1_0000 },
]);
const { miss, update, invalidate, accessFail } = iotlbType;

function setUp() {
  const said: string[] = [];
  const heard: string[] = [];
  const channel = {
    iotlb: ({ iova, permissions, type }: IotlbMessage) =>
      said.push(`${type} ${iova.toString(16)} ${permissions}`),
  };
  const iommu = new DeviceIommu(
    {
      lost: (from, end) => heard.push(`lost ${from.toString(16)} ${end.toString(16)}`),
      changed: () => heard.push('changed'),
    },
    channel,
    1000,
  );
  iommu.setMemory(memory);
  const say = (type: number, iova: number | bigint, size: number | bigint, user = 0, permissions = 3): void =>
    iommu.say({
      iova: BigInt(iova),
      size: BigInt(size),
      userAddress: BigInt(userBase) + BigInt(user),
      permissions,
      type,
    });
  return {
    iommu,
    said,
    heard,
    say,
    look: (at: number, writable = false) => iommu.iotlb.locate(at, 8, writable),
  };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

describe('the I/O MMU of a device', () => {
  it('asks once for a page, for each way it is to be used, until it is answered', () => {
    const { iommu, said, look, say } = setUp();
    for (let i = 0; i < 3; i++)
      expect([look(0x5008), look(0x5010), look(0x5008, true)]).toEqual([-1, -1, -1]);
    expect([said, iommu.counts.waiting]).toEqual([[`${miss} 5000 1`, `${miss} 5000 2`], 2]);
    say(update, 0x5000, 0x1000);
    expect([look(0x5008, true), iommu.counts.waiting]).toEqual([8, 0]);
  });

  it('asks again once something else was said of the page', () => {
    const { said, look, say } = setUp();
    look(0x5000);
    say(invalidate, 0x5000, 0x1000);
    look(0x5000);
    expect(said).toEqual([`${miss} 5000 1`, `${miss} 5000 1`]);
  });

  it('has no memory where no answer comes in time, and has when one comes late', () => {
    const { heard, look, say, said } = setUp();
    look(0x5000);
    vi.advanceTimersByTime(999);
    expect([look(0x5000), heard]).toEqual([-1, []]);
    vi.advanceTimersByTime(2);
    expect([look(0x5000), look(0x6000), heard]).toEqual([0, -1, ['changed']]);
    say(update, 0x5000, 0x1000);
    expect([look(0x5000), said.length]).toEqual([8, 2]);
  });

  it('tells the frontend of an answer that does not allow what was asked for', () => {
    const { look, say, said } = setUp();
    look(0x5000, true);
    say(update, 0x5000, 0x1000, 0, 1);
    expect([look(0x5000, true), look(0x5000), said.at(-1)]).toEqual([0, 8, `${accessFail} 5000 2`]);
    say(update, 0x5000, 0x1000, 0, 3);
    expect(look(0x5000, true)).toBe(8);
  });

  it('tells of what is lost before the message is done, also where nothing is known any more', () => {
    const { heard, say, look } = setUp();
    say(update, 0x5000, 0x2000);
    say(invalidate, 0x6000, 0x1000);
    say(invalidate, 0x6000, 0x1000);
    say(update, 0x5000, 0x1000);
    say(update, 0x5000, 0x1000, 0x1000);
    expect(heard).toEqual([
      'changed',
      'lost 6000 7000',
      'lost 6000 7000',
      'changed',
      'lost 5000 6000',
      'changed',
    ]);
    expect([look(0x6000), look(0x5000)]).toEqual([-1, 8]);
  });

  it.each<[string, number | bigint, number | bigint]>([
    ['without a size', 0x5000, 0],
    ['beyond all addresses', 2n ** 64n - 4096n, 4096],
    ['of everything', 0, 2n ** 64n - 1n],
  ])('forgets with an invalidation %s what it covers', (_, iova, size) => {
    const { say, look } = setUp();
    say(update, 0x5000, 0x1000);
    say(invalidate, iova, size);
    expect(look(0x5000)).toBe(iova === 2n ** 64n - 4096n ? 8 : -1);
  });

  it.each<[string, Parameters<ReturnType<typeof setUp>['say']>]>([
    ['no size', [update, 0x5000, 0]],
    ['an end beyond 2^53', [update, 2n ** 53n - 4096n, 8192]],
    ['an end beyond 2^64', [update, 2n ** 64n - 4096n, 8192]],
    ['a target outside the memory', [update, 0x5000, 0x1000, 0x1_0000]],
    ['a question', [miss, 0x5000, 0x1000]],
    ['a complaint', [accessFail, 0x5000, 0x1000]],
  ])('refuses a message with %s, and is as before', (_, message) => {
    const { iommu, say, look } = setUp();
    say(update, 0x6000, 0x1000);
    expect(() => say(...message)).toThrow(coded('VIO_VHOST_IOTLB'));
    expect([iommu.iotlb.count, look(0x6000), look(0x5000)]).toEqual([1, 8, -1]);
  });

  it('takes a range that goes beyond the memory, and finds nothing there', () => {
    const { say, look } = setUp();
    say(update, 0, 2n ** 50n);
    expect([look(0xfff8), look(0x1_0000)]).toEqual([8, 0]);
  });

  it('asks for so much at most, and for the rest when there are answers', () => {
    const { iommu, said, look, say } = setUp();
    for (let i = 0; i < 5000; i++) look(0x10_0000 + i * 4096);
    expect([said.length, iommu.counts.waiting]).toEqual([1024, 1024]);
    say(update, 0x10_0000, 1024 * 4096);
    for (let i = 1024; i < 5000; i++) look(0x10_0000 + i * 4096);
    expect([said.length, iommu.counts.waiting]).toEqual([2048, 1024]);
    vi.advanceTimersByTime(1001);
    for (let i = 3000; i < 3010; i++) look(0x10_0000 + i * 4096);
    expect([said.length, iommu.counts.waiting]).toEqual([2058, 10]);
  });

  it('asks a frontend that gives another way back again', () => {
    const { iommu, look, said } = setUp();
    look(0x5000);
    const other: bigint[] = [];
    iommu.setChannel({ iotlb: ({ iova }) => other.push(iova) });
    expect([said.length, other]).toEqual([1, [0x5000n]]);
  });

  it('leaves no timer behind', () => {
    const { iommu, look } = setUp();
    look(0x5000);
    expect(vi.getTimerCount()).toBe(1);
    iommu[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });
});
