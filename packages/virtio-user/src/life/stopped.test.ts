import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LinkState } from '@vio/net';
import { VhostDriver } from '@vio/vhost';
import { codeOf, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { openVirtioUser } from '../open.ts';

async function started(path: string): Promise<VhostDriver> {
  const driver = VhostDriver.register(path);
  await driver.start();
  return driver;
}

/** A port that is stopped, whose backend went away and came back meanwhile. */
async function stoppedOver() {
  const directory = mkdtempSync(join(tmpdir(), 'vio-stopped-'));
  const path = join(directory, 'vhost.sock');
  const first = await started(path);
  const port = await openVirtioUser({ path }, { reconnect: { minDelay: 1, maxDelay: 2 } });
  const links: LinkState[] = [];
  port.on('link', (link) => links.push(link));
  await port.stop();
  await first.close();
  const second = await started(path);
  await until(() => port.reconnects === 1);
  return {
    port,
    links,
    async [Symbol.asyncDispose]() {
      await port.close();
      await second.close();
      rmSync(directory, { recursive: true });
    },
  };
}

describe('a port whose backend came back while it was stopped', () => {
  it('is stopped still, with no reason any more for the link to be down', async () => {
    await using over = await stoppedOver();
    const { port, links } = over;
    expect([port.stopped, port.link]).toEqual([true, { up: false }]);
    expect(links.map(({ up, reason }) => reason?.code ?? up)).toEqual([
      false,
      'VIO_VHOST_DISCONNECTED',
      false,
    ]);
    expect(await codeOf(port.send(new Uint8Array(60)))).toBe('VIO_PORT_STOPPED');
  });

  it('sends on the rings of the new one once it is started', async () => {
    await using over = await stoppedOver();
    const { port, links } = over;
    await port.start();
    expect(links.at(-1)).toEqual({ up: true });
    await port.send(new Uint8Array(60), { timeout: 1000 });
    expect(port.rx[0].queue.outstanding).toBe(port.rx[0].queue.size);
  });
});

it('a port that is closed is not started again', async () => {
  const over = await stoppedOver();
  await over[Symbol.asyncDispose]();
  await over.port.stop();
  expect(await codeOf(over.port.start())).toBe('VIO_LINK_DOWN');
});
