import { describe, expect, it } from 'vitest';
import type { ControlCommand } from './commands.ts';
import { rejectionOf } from '@vio/test-support';
import { VIRTIO_NET_F_CTRL_VLAN } from '../feature-bits.ts';
import { everyFeature } from '../test-support/control-pair.ts';
import { NetControl, type QueuePairsListener } from './net-control.ts';

const key = new Uint8Array(40).fill(1);
const rss = { hashTypes: 1, key, table: [0, 1, 2, 3], unclassified: 0, transmitQueues: 4 };

/** As JavaScript lets one write. */
const misspelt: object = { timout: 1 };

const allMisspelt: [string, (control: NetControl) => Promise<void>][] = [
  ['rx-mode', (c) => c.setPromiscuous(true, misspelt)],
  ['mac-table', (c) => c.setMacTable([], [], misspelt)],
  ['mac-address', (c) => c.setMac('02:00:00:00:00:01', misspelt)],
  ['vlan-add', (c) => c.addVlan(7, misspelt)],
  ['announce-ack', (c) => c.acknowledgeAnnounce(misspelt)],
  ['queue-pairs', (c) => c.setQueuePairs(2, misspelt)],
  ['rss', (c) => c.setRss(rss, misspelt)],
  ['hash', (c) => c.setHash({ hashTypes: 1, key }, misspelt)],
  ['guest-offloads', (c) => c.setGuestOffloads(0n, misspelt)],
];

function setUp({
  features = everyFeature,
  refuse = false,
  listener = undefined as QueuePairsListener | undefined,
} = {}) {
  const given: ControlCommand[] = [];
  const channel = {
    execute: (command: ControlCommand): Promise<void> => {
      given.push(command);
      return refuse ? Promise.reject(new Error('refused')) : Promise.resolve();
    },
  };
  const options = { features, channel, maxPairs: 4 };
  const control = new NetControl(listener === undefined ? options : { ...options, onQueuePairs: listener });
  return { given, control };
}

const all: [string, (control: NetControl) => Promise<void>][] = [
  ['CTRL_RX', (c) => c.setPromiscuous(true)],
  ['CTRL_RX', (c) => c.setAllMulticast(false)],
  ['CTRL_RX_EXTRA', (c) => c.setRxMode('noMulticast', true)],
  ['CTRL_RX', (c) => c.setMacTable(['02:00:00:00:00:01'], [])],
  ['CTRL_MAC_ADDR', (c) => c.setMac('02:00:00:00:00:01')],
  ['CTRL_VLAN', (c) => c.addVlan(7)],
  ['CTRL_VLAN', (c) => c.removeVlan(7)],
  ['GUEST_ANNOUNCE', (c) => c.acknowledgeAnnounce()],
  ['MQ', (c) => c.setQueuePairs(2)],
  ['RSS', (c) => c.setRss(rss)],
  ['HASH_REPORT', (c) => c.setHash({ hashTypes: 1, key })],
  ['CTRL_GUEST_OFFLOADS', (c) => c.setGuestOffloads(0n)],
];

describe('what a port tells its device', () => {
  it.each(all)('needs the feature %s (%#)', async (feature, give) => {
    const without = setUp({ features: 0n });
    await expect(give(without.control)).rejects.toMatchObject({
      code: 'VIO_CONTROL_UNSUPPORTED',
      message: expect.stringMatching(new RegExp(`without the feature .*\\b${feature}\\b`)) as string,
    });
    expect(without.given).toEqual([]);
    const having = setUp();
    await give(having.control);
    expect(having.given).toHaveLength(1);
  });

  it.each<[string, (control: NetControl) => Promise<void>]>([
    ['no queue pairs', (c) => c.setQueuePairs(0)],
    ['more queue pairs than the port has', (c) => c.setQueuePairs(5)],
    ['half a queue pair', (c) => c.setQueuePairs(1.5)],
    ['an address of five bytes', (c) => c.setMac('02:00:00:00:00')],
    ['the zero address of its own', (c) => c.setMac('00:00:00:00:00:00')],
    ['the zero address', (c) => c.setMacTable(['00:00:00:00:00:00'], [])],
    ['a multicast address of its own', (c) => c.setMac('01:00:00:00:00:00')],
    ['a multicast address among the unicast ones', (c) => c.setMacTable(['01:00:00:00:00:00'], [])],
    ['a unicast address among the multicast ones', (c) => c.setMacTable([], ['02:00:00:00:00:00'])],
    ['VLAN 4096', (c) => c.addVlan(4096)],
    ['a table of three entries', (c) => c.setRss({ ...rss, table: [0, 1, 2] })],
    ['a table with a queue the port has not', (c) => c.setRss({ ...rss, table: [0, 4] })],
    ['hashing without a key', (c) => c.setHash({ hashTypes: 1, key: new Uint8Array(0) })],
    ['a key of 256 bytes', (c) => c.setRss({ ...rss, key: new Uint8Array(256) })],
  ])('is refused by itself: %s', async (_, give) => {
    const { control, given } = setUp();
    await expect(give(control)).rejects.toMatchObject({ code: 'VIO_CONTROL_VALUE' });
    expect(given).toEqual([]);
  });
});

it('does not turn on an offload that was not negotiated', async () => {
  const { control } = setUp({ features: everyFeature & ~(1n << 7n) });
  await expect(control.setGuestOffloads(1n << 7n)).rejects.toMatchObject({ code: 'VIO_CONTROL_VALUE' });
});

describe('queue pairs', () => {
  it('stop before the device is told, and begin after it has done it', async () => {
    const calls: string[] = [];
    const { control, given } = setUp({
      listener: {
        before: (pairs) => void calls.push(`before ${pairs} told ${given.length}`),
        after: (pairs) => void calls.push(`after ${pairs} told ${given.length}`),
      },
    });
    await control.setQueuePairs(4);
    await control.setQueuePairs(2);
    expect(calls).toEqual(['before 1 told 0', 'after 4 told 1', 'before 2 told 1', 'after 2 told 2']);
    expect(control.queuePairs).toBe(2);
  });

  it('stay as they were when the device refuses', async () => {
    const after: number[] = [];
    const { control } = setUp({
      refuse: true,
      listener: { before: () => {}, after: (pairs) => void after.push(pairs) },
    });
    await expect(control.setQueuePairs(4)).rejects.toThrow('refused');
    expect([control.queuePairs, after]).toEqual([1, [1]]);
  });

  it('are those that RSS uses', async () => {
    const { control } = setUp();
    await control.setRss({ ...rss, table: [0, 2], transmitQueues: 1 });
    expect(control.queuePairs).toBe(3);
  });
});

it('gives a device that starts anew what still holds', async () => {
  const { control, given } = setUp();
  await control.setQueuePairs(4);
  await control.setPromiscuous(true);
  await control.addVlan(1);
  await control.addVlan(2);
  await control.removeVlan(1);
  await control.acknowledgeAnnounce();
  await control.setPromiscuous(false);
  await control.setRss(rss);
  const again: ControlCommand[] = [];
  await control.restart({ execute: (command) => Promise.resolve(void again.push(command)) });
  expect(again).toEqual([given[3], given[6], given[7]]);
});

it.each(allMisspelt)(
  'a command with an option that there is not is refused, and not given: %s',
  async (kind, call) => {
    const { given, control } = setUp();
    await expect(call(control)).rejects.toMatchObject({
      code: 'VIO_OPTION_UNKNOWN',
      message: `the command ${kind} has no option "timout"`,
    });
    expect(given).toEqual([]);
  },
);

describe('receive-side scaling that is set', () => {
  it('can be asked for, as a copy', async () => {
    const { control } = setUp();
    expect(control.rss).toBe(undefined);
    await control.setRss(rss);
    expect(control.rss).toEqual(rss);
    control.rss?.key.fill(9);
    expect(control.rss?.key).toEqual(key);
  });

  it('is changed entry by entry, and the rest stays', async () => {
    const { control, given } = setUp();
    await control.setRss(rss);
    await control.updateRssTable(
      new Map([
        [0, 3],
        [2, 1],
      ]),
    );
    expect(given.at(-1)).toEqual({ kind: 'rss', config: { ...rss, table: [3, 1, 1, 3] } });
    expect(control.rss?.table).toEqual([3, 1, 1, 3]);
  });

  it('is changed in part: a key, a hash type', async () => {
    const { control } = setUp();
    await control.setRss(rss);
    await control.updateRss({ key: new Uint8Array(40).fill(2) });
    await control.updateRss({ hashTypes: 2 });
    expect(control.rss).toEqual({ ...rss, key: new Uint8Array(40).fill(2), hashTypes: 2 });
  });

  it('begins with a table of 128 entries that names the pairs in use by turns', async () => {
    const { control } = setUp();
    await control.setQueuePairs(2);
    await control.updateRssTable(new Map([[127, 0]]));
    expect(control.rss?.table).toEqual(Array.from({ length: 128 }, (_, i) => (i === 127 ? 0 : i % 2)));
    expect(control.rss?.key.length).toBe(40);
  });

  it.each([
    [128, 0],
    [-1, 0],
    [0.5, 0],
    [0, 4],
  ])('is not changed at entry %d to queue %i', async (entry, queue) => {
    const { control, given } = setUp();
    const failure = await rejectionOf(control.updateRssTable(new Map([[entry, queue]])));
    expect([failure.code, given]).toEqual(['VIO_CONTROL_VALUE', []]);
  });

  it('is what it was when the device refuses a change', async () => {
    const { control } = setUp({ refuse: true });
    await control.updateRssTable(new Map([[0, 1]])).catch(() => {});
    expect(control.rss).toBe(undefined);
  });
});

describe('the filter of VLANs', () => {
  const kinds = (given: readonly ControlCommand[], kind: string): number[] =>
    given.flatMap((command) =>
      command.kind === kind && (command.kind === 'vlan-add' || command.kind === 'vlan-remove')
        ? [command.id]
        : [],
    );

  it('is on with CTRL_VLAN, and off lets all others pass', async () => {
    const { control, given } = setUp();
    await control.addVlan(7);
    expect(control.vlanFilter).toBe(true);
    await control.setVlanFilter(false);
    await control.setVlanFilter(false);
    const added = kinds(given, 'vlan-add');
    expect([control.vlanFilter, added.length, new Set(added).size]).toEqual([false, 4096, 4096]);
  });

  it('on again leaves those that were added', async () => {
    const { control, given } = setUp();
    await control.addVlan(7);
    await control.addVlan(8);
    await control.setVlanFilter(false);
    await control.removeVlan(8);
    expect(kinds(given, 'vlan-remove')).toEqual([]);
    await control.setVlanFilter(true);
    const removed = kinds(given, 'vlan-remove');
    expect([removed.length, removed.includes(7), removed.includes(8)]).toEqual([4095, false, true]);
  });

  it('stays off for a device that starts anew', async () => {
    const { control, given } = setUp();
    await control.setVlanFilter(false);
    given.length = 0;
    await control.restart({
      execute: (command) => {
        given.push(command);
        return Promise.resolve();
      },
    });
    expect(kinds(given, 'vlan-add').length).toBe(4096);
  });

  it('cannot be had without CTRL_VLAN', async () => {
    const { control } = setUp({ features: everyFeature & ~VIRTIO_NET_F_CTRL_VLAN });
    expect(control.vlanFilter).toBe(false);
    expect((await rejectionOf(control.setVlanFilter(true))).code).toBe('VIO_CONTROL_UNSUPPORTED');
  });
});
