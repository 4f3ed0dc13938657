import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ControlCommand } from './commands.ts';
import { ControlPair } from '../test-support/control-pair.ts';

const pairs = (n: number): ControlCommand => ({ kind: 'queue-pairs', pairs: n });
const key = new Uint8Array(40).fill(0x5a);

const commands: ControlCommand[] = [
  { kind: 'rx-mode', mode: 'promiscuous', on: true },
  { kind: 'rx-mode', mode: 'noBroadcast', on: false },
  {
    kind: 'mac-table',
    unicast: ['02:00:00:00:00:01'],
    multicast: ['01:00:5e:00:00:01', '33:33:00:00:00:01'],
  },
  { kind: 'mac-table', unicast: [], multicast: [] },
  { kind: 'mac-address', mac: '02:aa:bb:cc:dd:ee' },
  { kind: 'vlan-add', id: 100 },
  { kind: 'vlan-remove', id: 4095 },
  { kind: 'announce-ack' },
  pairs(8),
  {
    kind: 'rss',
    config: {
      hashTypes: 0x3f,
      key,
      table: Array.from({ length: 128 }, (_, i) => i % 8),
      unclassified: 0,
      transmitQueues: 8,
    },
  },
  { kind: 'hash', config: { hashTypes: 7, key } },
  { kind: 'guest-offloads', offloads: 1n << 7n },
];

describe.each([
  ['split', 16],
  ['split', 64],
  ['packed', 9],
  ['packed', 256],
] as const)('a %s control queue of %i', (format, size) => {
  it('carries every command, in order, many times round', async () => {
    const pair = new ControlPair({ format, size });
    const all = Array.from({ length: 20 }, () => commands).flat();
    await Promise.all(all.map((command) => pair.driver.execute(command)));
    expect(pair.told).toEqual(all);
  });

  it('waits for a device that answers later', async () => {
    const pair = new ControlPair({ format, size });
    pair.onKick = () => void setTimeout(() => pair.device.serve(), 3);
    await pair.driver.execute(pairs(2));
    expect(pair.told).toEqual([pairs(2)]);
  });

  it('says so when the device refuses, and goes on', async () => {
    const pair = new ControlPair({ format, size });
    pair.answer = (command) => command.kind !== 'queue-pairs';
    await expect(pair.driver.execute(pairs(9))).rejects.toMatchObject({
      code: 'VIO_CONTROL_REFUSED',
      message: 'the device does not use 9 queue pairs: it says no',
    });
    await pair.driver.execute({ kind: 'announce-ack' });
    expect(pair.told).toHaveLength(2);
  });

  it('gives up a command that is not answered in time, and keeps its memory until it is', async () => {
    const pair = new ControlPair({ format, size });
    pair.onKick = () => {};
    await expect(pair.driver.execute(pairs(2), { timeout: 5 })).rejects.toMatchObject({
      code: 'VIO_TIMEOUT',
    });
    await expect(pair.driver.execute(pairs(3), { timeout: 5 })).rejects.toMatchObject({
      code: 'VIO_TIMEOUT',
    });
    expect(pair.kicks).toBe(1);
    pair.onKick = () => void pair.device.serve();
    const next = pair.driver.execute(pairs(4));
    pair.device.serve();
    await next;
    expect(pair.told).toEqual([pairs(2), pairs(4)]);
  });

  it('does not take the late answer to a command given up for that to the next', async () => {
    const pair = new ControlPair({ format, size });
    pair.answer = (command) => command.kind === 'queue-pairs';
    pair.onKick = () => {};
    await expect(pair.driver.execute(pairs(2), { timeout: 5 })).rejects.toMatchObject({
      code: 'VIO_TIMEOUT',
    });
    const next = pair.driver.execute({ kind: 'announce-ack' });
    pair.onKick = () => void pair.device.serve();
    pair.device.serve();
    await expect(next).rejects.toMatchObject({ code: 'VIO_CONTROL_REFUSED' });
  });
});

it('can be aborted', async () => {
  const pair = new ControlPair();
  pair.onKick = () => {};
  const controller = new AbortController();
  const command = pair.driver.execute(pairs(2), { signal: controller.signal });
  controller.abort();
  await expect(command).rejects.toMatchObject({ code: 'VIO_ABORTED' });
});

it('fails what waits and what comes when the device uses what it was not given', async () => {
  const pair = new ControlPair();
  pair.onKick = () => void (pair.region.u16[pair.driver.ring.addresses.device / 2 + 1] += 7);
  await expect(pair.driver.execute(pairs(2))).rejects.toMatchObject({ code: 'VIO_CONTROL_BROKEN' });
  await expect(pair.driver.execute(pairs(2))).rejects.toMatchObject({ code: 'VIO_CONTROL_BROKEN' });
});

it('fails what waits and what comes when it is closed', async () => {
  const pair = new ControlPair();
  pair.onKick = () => {};
  const waiting = [pair.driver.execute(pairs(2)), pair.driver.execute(pairs(3))];
  pair.driver.close();
  for (const command of waiting) await expect(command).rejects.toMatchObject({ code: 'VIO_CONTROL_CLOSED' });
  await expect(pair.driver.execute(pairs(2))).rejects.toMatchObject({ code: 'VIO_CONTROL_CLOSED' });
});

it('does not touch its memory once it was closed', async () => {
  const pair = new ControlPair();
  pair.onKick = () => {};
  const waiting = pair.driver.execute(pairs(2));
  pair.driver.close();
  await expect(waiting).rejects.toMatchObject({ code: 'VIO_CONTROL_CLOSED' });
  const before = pair.region.u8.slice();
  pair.device.serve();
  const answered = pair.region.u8.slice();
  await sleep(5);
  expect(pair.region.u8).toEqual(answered);
  expect(before).not.toEqual(answered);
});

it('refuses a table that is longer than its memory', async () => {
  const pair = new ControlPair();
  const unicast = Array.from({ length: 2000 }, () => '02:00:00:00:00:01');
  await expect(pair.driver.execute({ kind: 'mac-table', unicast, multicast: [] })).rejects.toMatchObject({
    code: 'VIO_CONTROL_VALUE',
  });
});
