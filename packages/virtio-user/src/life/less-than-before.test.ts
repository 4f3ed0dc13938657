import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FailedAttempt, type LinkState, VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { VIRTIO_F_IN_ORDER } from '@vio/rings';
import { UncaughtErrors } from '@vio/rings/testing';
import { VhostDriver } from '@vio/vhost';
import { until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { openVirtioUser } from '../open.ts';

type Change = (driver: VhostDriver) => void;

/** A port with two queue pairs in one of the two roles, whose backends can be replaced. */
async function replaceable(server: boolean, minDelay = 1) {
  const directory = mkdtempSync(join(tmpdir(), 'vio-less-'));
  const path = join(directory, 'vhost.sock');
  const start = async (change: Change): Promise<VhostDriver> => {
    const driver = VhostDriver.register(path, { client: server, retry: 5 });
    driver.setQueueNum(2);
    change(driver);
    await driver.start();
    return driver;
  };
  const reconnect = { minDelay, maxDelay: 2 * minDelay };
  let opening = server ? openVirtioUser({ path, queues: 2, server }, { reconnect }) : undefined;
  let driver = await start(() => {});
  opening ??= openVirtioUser({ path, queues: 2 }, { reconnect });
  const port = await opening;
  return {
    port,
    async replace(change: Change): Promise<void> {
      await driver.close();
      driver = await start(change);
    },
    async [Symbol.asyncDispose]() {
      await port.close();
      await driver.close();
      rmSync(directory, { recursive: true });
    },
  };
}

const ways: [what: string, change: Change, named: RegExp][] = [
  ['without MRG_RXBUF', (d) => d.disableFeatures(VIRTIO_NET_F_MRG_RXBUF), /MRG_RXBUF/],
  ['without IN_ORDER', (d) => d.disableFeatures(VIRTIO_F_IN_ORDER), /IN_ORDER/],
  ['with one queue pair of two', (d) => d.setQueueNum(1), /1 queue pairs of 2/],
];

describe.each([false, true])('a port (listening: %s) whose backend comes back', (server) => {
  it.each(ways)(
    '%s says so, as event and as reason, once, and still takes the next one',
    async (_, change, named) => {
      await using pair = await replaceable(server);
      const { port } = pair;
      const links: LinkState[] = [];
      const attempts: FailedAttempt[] = [];
      port.on('link', (link) => links.push(link));
      port.on('retry', (attempt) => attempts.push(attempt));
      await pair.replace(change);
      await until(
        () => attempts.filter(({ reason }) => reason.code === 'VIO_RECONNECT_FEATURES').length >= 3,
      );
      const { reason } = port.link;
      expect([reason?.code, reason?.retryable, port.link.up]).toEqual([
        'VIO_RECONNECT_FEATURES',
        false,
        false,
      ]);
      expect(reason?.message).toMatch(named);
      await pair.replace(() => {});
      await until(() => port.link.up);
      expect(links.map((link) => link.reason?.code ?? link.up)).toEqual([
        'VIO_VHOST_DISCONNECTED',
        'VIO_RECONNECT_FEATURES',
        true,
      ]);
      expect(port.reconnects).toBe(1);
    },
  );

  it('tells of every attempt when the next one is, later each time up to the longest', async () => {
    await using pair = await replaceable(server, 4);
    const attempts: FailedAttempt[] = [];
    pair.port.on('retry', (attempt) => attempts.push(attempt));
    await pair.replace((d) => d.disableFeatures(VIRTIO_NET_F_MRG_RXBUF));
    await until(() => attempts.length >= 4);
    expect(attempts.map(({ attempt }) => attempt).slice(0, 4)).toEqual([1, 2, 3, 4]);
    expect(attempts.map(({ delay }) => delay).slice(0, 4)).toEqual([8, 8, 8, 8]);
  });

  it('goes on when every handler throws', async () => {
    using uncaught = new UncaughtErrors();
    await using pair = await replaceable(server);
    const thrown = new Error('application');
    const fail = (): never => {
      throw thrown;
    };
    for (const event of ['link', 'retry', 'reconnect'] as const) pair.port.on(event, fail);
    await pair.replace(() => {});
    await until(() => pair.port.link.up && pair.port.reconnects === 1);
    await pair.port.close();
    expect(new Set(await uncaught.all())).toEqual(new Set([thrown]));
  });
});
