// A switch that ends and starts again, under traffic.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, until, broadcast, frame, macOf } from '@vio/test-support';
import { openVirtioUser } from '@vio/virtio-user';
import { describe, expect, it } from 'vitest';
import { parseConfig, VioSwitch } from '../index.ts';
import { Host, type Network, type StartNetwork, onThreads } from '../test-support/network.ts';

const patient = { reconnect: { minDelay: 10, maxDelay: 50 }, timeout: 10_000 };

async function withState(start: StartNetwork, ports: Readonly<Record<string, object>>): Promise<Network> {
  const state = join('/tmp', `vio-switch-state-${process.pid}-${Math.random().toString(36).slice(2)}`);
  return start(ports, { state });
}

onThreads((start) => {
  describe('a switch that sleeps', () => {
    it('polls nobody, and still forwards the next frame', async () => {
      await using network = await start({ a: {}, b: {} });
      await until(() => network.fabric.awake === 0);
      expect(network.fabric.awake).toBe(0);
      const sent = frame(broadcast, macOf(1));
      expect(await network.send('a', sent)).toEqual({ b: [sent] });
      await until(() => network.fabric.awake === 0);
      expect(network.fabric.awake).toBe(0);
    });
  });

  describe('a restart', () => {
    it('loses no frame that is in a ring, and brings none twice', async () => {
      const network = await withState(start, {});
      await using _ = network;
      for (const name of ['a', 'b']) {
        await network.fabric.addPort({ name, bridge: 'br', socket: network.socket(name) });
        network.hosts.set(name, new Host(await openVirtioUser({ path: network.socket(name) }, patient)));
      }
      await until(() => network.fabric.ports().every(({ connected }) => connected));
      const sent: string[] = [];
      const got: string[] = [];
      const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
      const collect = (): number => got.push(...network.host('b').received().map(hex));
      for (let round = 0; round < 6; round++) {
        // Frames that are in the ring when the switch goes, and some that come while it is away.
        for (let i = 0; i < 40; i++) {
          const one = frame(broadcast, macOf(1));
          sent.push(hex(one));
          await network.host('a').port.send(one);
        }
        if (round % 2 === 0) {
          await network.stop();
          await until(
            () => network.hosts.get('a')?.port.gone === true && network.hosts.get('b')?.port.gone === true,
          );
          await network.begin({});
          await until(() => [...network.hosts.values()].every(({ port }) => !port.gone));
          await until(() => !network.fabric.restoring);
        }
        await until(() => collect() === sent.length);
      }
      expect(got).toEqual(sent);
      expect(network.host('a').port.stats()['reconnects_resumed']).toBe(3);
    }, 30_000);

    it('waits for the frontends of before, but not for ever', async () => {
      const network = await withState(start, {});
      await using _ = network;
      await network.fabric.addPort({ name: 'a', bridge: 'br', socket: network.socket('a') });
      await network.connect('a');
      const config = parseConfig({ ...network.configure({}), restoreTimeout: 50 });
      await network.stop();
      await using next = await VioSwitch.start(config);
      expect(next.restoring).toBe(true);
      await until(() => !next.restoring);
      expect(next.restoring).toBe(false);
    });

    it('waits for no port that is deleted meanwhile', async () => {
      const network = await withState(start, {});
      await using _ = network;
      await network.fabric.addPort({ name: 'a', bridge: 'br', socket: network.socket('a') });
      await network.connect('a');
      const config = parseConfig({ ...network.configure({}), restoreTimeout: 600_000 });
      await network.stop();
      await using next = await VioSwitch.start(config);
      expect(next.restoring).toBe(true);
      await next.deletePort('a');
      expect(next.restoring).toBe(false);
    });

    it('brings ports back that were added, and none that were deleted', async () => {
      const network = await withState(start, { fixed: {} });
      await using _ = network;
      for (const name of ['a', 'b'])
        await network.fabric.addPort({ name, bridge: 'br', socket: network.socket(name) });
      await network.fabric.deletePort('a');
      await network.stop();
      await network.begin({ fixed: {} });
      expect(network.fabric.ports().map(({ name, origin }) => [name, origin])).toEqual([
        ['fixed', 'config'],
        ['b', 'control'],
      ]);
    });
  });

  describe('the state file', () => {
    it('is for this user alone, and written before a port is said to be there', async () => {
      const network = await withState(start, {});
      await using _ = network;
      const { state } = network.configure({});
      await network.fabric.addPort({ name: 'a', bridge: 'br', socket: network.socket('a') });
      const file = String(state);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ version: 1, ports: [{ name: 'a' }] });
    });

    it.each([
      ['nonsense', 'nonsense'],
      ['an unknown version', '{"version":2,"ports":[],"connected":[]}'],
      ['a port that is none', '{"version":1,"ports":[{"name":"a"}],"connected":[]}'],
    ])('with %s is an error, and stays as it is', async (_, content) => {
      const network = await withState(start, {});
      await using held = network;
      const config = held.configure({});
      await network.stop();
      writeFileSync(String(config['state']), content);
      expect(await codeOf(VioSwitch.start(parseConfig(config)))).toBe('VIO_SWITCH_STATE');
      expect(readFileSync(String(config['state']), 'utf8')).toBe(content);
    });

    it('that cannot be written refuses the port, and takes its socket back', async () => {
      await using network = await start({}, { state: '/nowhere/state.json' });
      const attempt = network.fabric.addPort({ name: 'a', bridge: 'br', socket: network.socket('a') });
      expect(await codeOf(attempt)).toBe('VIO_SWITCH_STATE');
      expect(network.fabric.ports()).toEqual([]);
    });
  });
});
