import { describe, expect, it } from 'vitest';
import { type Kind, kinds, packedKinds, setUp, splitKinds } from '../test-support/driver-setup.ts';
import { driverRingView } from './ring-view.ts';
import { devicePositions, driverPositions } from './ring-positions.ts';

const named = (list: readonly Kind[]): [string, Kind][] =>
  list.map((kind) => [`${kind.format}${kind.inOrder ? ' in-order' : ''}`, kind]);

/** A driver queue, and the same ring as a device sees it that has fetched nothing it has not used. */
function seen(kind: Kind) {
  const all = setUp(kind);
  const asDevice = () => {
    const base = all.queue.base();
    return devicePositions(driverRingView(all.queue, all.region, false), base);
  };
  return { ...all, asDriver: () => driverPositions(all.queue), asDevice };
}

describe.each(named(kinds))('the positions of a %s ring', (_, kind) => {
  it('are those of an empty ring at first', () => {
    const { asDriver, asDevice } = seen(kind);
    expect(asDriver()).toMatchObject({ driver: { slot: 0 }, device: { slot: 0 }, used: 0, held: 0 });
    expect(asDevice()).toMatchObject({ driver: { slot: 0 }, device: { slot: 0 }, held: 0, available: 0 });
  });

  it('tell what the device has, what it has used, and what is the driver’s again', () => {
    const { add, device, reap, asDriver, asDevice } = seen(kind);
    add(60, 60, 60, 60, 60);
    expect(asDriver()).toMatchObject({ driver: { slot: 5 }, device: { slot: 0 }, used: 0, held: 5 });
    device.use(...device.take().slice(0, 3));
    expect(asDriver()).toMatchObject({ driver: { slot: 5 }, device: { slot: 3 }, used: 3, held: 2 });
    expect(asDevice()).toMatchObject({
      driver: { slot: 5 },
      device: { slot: 3 },
      held: 0,
      available: 2,
    });
    reap();
    expect(asDriver()).toMatchObject({ driver: { slot: 5 }, device: { slot: 3 }, used: 0, held: 2 });
  });

  it('go round', () => {
    const { add, device, reap, asDriver, asDevice } = seen(kind);
    for (let lap = 0; lap < 5; lap++) {
      add(60, 60, 60, 60, 60, 60);
      device.use(...device.take());
      reap();
    }
    add(60, 60, 60);
    expect(asDriver()).toMatchObject({ driver: { slot: 1 }, device: { slot: 6 }, used: 0, held: 3 });
    expect(asDevice()).toMatchObject({ driver: { slot: 1 }, device: { slot: 6 }, available: 3 });
  });

  it('are those of a full ring, too', () => {
    const { add, asDriver, asDevice } = seen(kind);
    add(...Array.from({ length: 8 }, () => 60));
    expect([asDriver().held, asDevice().available]).toEqual([8, 8]);
  });

  it('say no more than the ring holds, whatever is in the memory', () => {
    const { add, asDriver, asDevice, queue, region } = seen(kind);
    add(60, 60);
    for (let at = queue.addresses.descriptors; at < queue.addresses.device + 128; at++)
      region.u8[at] = (at * 37) & 0xff;
    for (const { held, used = 0, available = 0 } of [asDriver(), asDevice()]) {
      expect(held).toBeLessThanOrEqual(8);
      expect(used).toBeLessThanOrEqual(8);
      expect(available).toBeLessThanOrEqual(8);
    }
  });
});

it.each(named(splitKinds))('a %s ring has free-running indexes', (_, kind) => {
  const { add, asDriver, device, reap } = seen(kind);
  for (let i = 0; i < 3; i++) {
    add(60, 60, 60, 60);
    device.use(...device.take());
    reap();
  }
  expect(asDriver()).toMatchObject({ driver: { slot: 4, index: 12 }, device: { slot: 4, index: 12 } });
});

it.each(named(packedKinds))('a %s ring has wrap counters', (_, kind) => {
  const { add, asDriver, device, reap } = seen(kind);
  add(60, 60, 60, 60, 60, 60);
  device.use(...device.take());
  reap();
  add(60, 60, 60);
  expect(asDriver()).toMatchObject({ driver: { slot: 1, wrap: 0 }, device: { slot: 6, wrap: 1 }, held: 3 });
});
