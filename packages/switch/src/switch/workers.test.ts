// A switch on several threads: what differs from one on a single thread. What does not is in the other suites.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { broadcast, codeOf, frame, holdings, holdingsLike, macOf, until } from '@vio/test-support';
import { openVirtioUser } from '@vio/virtio-user';
import { describe, expect, it } from 'vitest';
import { VioSwitch, parseConfig } from '../index.ts';
import { Host, Network } from '../test-support/network.ts';

const two = { a: { worker: 0 }, b: { worker: 1 } };
const start = (
  ports: Readonly<Record<string, object>>,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Network> => Network.start(ports, { workers: 2, ...more });

describe('ports of a switch with two threads', () => {
  it('are spread over both, or are where they are asked to be', async () => {
    await using network = await start({ a: {}, b: {}, c: {}, d: {}, e: { worker: 1 } });
    expect(network.fabric.ports().map(({ worker }) => worker)).toEqual([0, 1, 0, 1, 1]);
    expect(network.fabric.workers().map(({ worker, ports }) => [worker, ports])).toEqual([
      [0, 2],
      [1, 3],
    ]);
  });

  it('exchange thousands of frames both ways, bit for bit and in their order', async () => {
    await using network = await start(two);
    const [a, b] = [network.host('a'), network.host('b')];
    await network.send('a', frame(broadcast, macOf(1)));
    await network.send('b', frame(broadcast, macOf(2)));
    for (let round = 0; round < 40; round++) {
      const there = Array.from({ length: 100 }, (_, i) => frame(macOf(2), macOf(1), { bytes: 60 + 40 * i }));
      const back = Array.from({ length: 100 }, (_, i) => frame(macOf(1), macOf(2), { bytes: 4060 - 40 * i }));
      const got: [Uint8Array[], Uint8Array[]] = [[], []];
      for (let i = 0; i < 100; i++) {
        await a.port.send(there[i]);
        await b.port.send(back[i]);
        got[0].push(...a.received());
        got[1].push(...b.received());
      }
      await until(() => got[0].push(...a.received()) === 100 && got[1].push(...b.received()) === 100);
      expect(got[0].every((one, i) => Buffer.compare(one, back[i]) === 0)).toBe(true);
      expect(got[1].every((one, i) => Buffer.compare(one, there[i]) === 0)).toBe(true);
    }
    expect(network.fabric.workers().flatMap(({ trunks }) => trunks.map(({ dropped }) => dropped))).toEqual([
      0, 0,
    ]);
    await until(() => network.counter('b', 'tx_frames') === 4001);
  });

  it('are sent frames for an address where it is, as soon as it has moved from one thread to the other', async () => {
    await using network = await start({ a: { worker: 0 }, b: { worker: 1 }, c: { worker: 0 } });
    for (const [place, round] of ['b', 'c', 'b', 'a'].map((name, i) => [name, i] as const)) {
      await network.send('c', frame(broadcast, macOf(3)));
      // A frame for one station alone tells no other thread of the move.
      await network.send(place, frame(macOf(3), macOf(7)));
      const from = place === 'c' ? 'a' : 'c';
      expect([round, await network.whoHears(from, frame(macOf(7), macOf(9)))]).toEqual([round, [place]]);
    }
  });

  it('are flooded with frames for an address whose port on another thread has gone', async () => {
    await using network = await start({ a: { worker: 0 }, b: { worker: 1 }, c: { worker: 0 } });
    await network.send('b', frame(broadcast, macOf(7)));
    await network.disconnect('b');
    await until(() => network.fabric.macs().length === 0);
    expect(await network.whoHears('a', frame(macOf(7), macOf(1)))).toEqual(['c']);
  });

  it('show addresses, rings and counters as those of a single thread do', async () => {
    await using network = await start(two);
    await network.send('b', frame(broadcast, macOf(7), { vlan: 5 }));
    expect(network.fabric.macs()).toEqual([
      { bridge: 'br', mac: '02:00:00:00:00:07', vlan: 5, port: 'b', age: expect.any(Number) },
    ]);
    const [port] = network.fabric.ports().slice(1);
    expect(port).toMatchObject({ name: 'b', worker: 1, state: 'up', link: { kind: 'vhost-user', pairs: 1 } });
    expect(network.fabric.rings('b')).toMatchObject([
      { name: 'receiveq0', size: 256 },
      { name: 'transmitq0' },
    ]);
    expect(network.fabric.measured()['b'].stats()).toMatchObject({
      switch_rx_frames: 1,
      rx_q0_good_packets: 1,
    });
    expect(network.fabric.measured()['worker 1 to 0'].stats()).toMatchObject({ switch_tx_frames: 1 });
    expect([network.fabric.flushMacs(), network.fabric.macs()]).toEqual([1, []]);
  });

  it('are refused by the same names, with the same remedies', async () => {
    await using network = await start({ a: {} });
    const port = { name: 'b', bridge: 'br', worker: 1 };
    expect(await codeOf(network.fabric.addPort({ ...port, socket: '/nowhere/x.sock' }))).toBe(
      'VIO_SWITCH_DIRECTORY',
    );
    const socket = network.socket('a');
    expect(await codeOf(network.fabric.addPort({ ...port, socket }))).toBe('VIO_SOCKET_IN_USE');
    expect(await codeOf(network.fabric.addPort({ ...port, worker: 2, socket: network.socket('b') }))).toBe(
      'VIO_SWITCH_CONFIG',
    );
    expect(network.fabric.ports()).toHaveLength(1);
  });

  it('may be those of a directory', async () => {
    await using network = await start({ a: { worker: 0 } });
    const path = join(network.directory, 'apps');
    mkdirSync(path);
    const directories = [{ path, bridge: 'br', worker: 1 }];
    await network.fabric.reload(parseConfig({ ...network.configure({ a: { worker: 0 } }), directories }));
    network.hosts.set('web', new Host(await openVirtioUser({ path: join(path, 'web.sock'), server: true })));
    await until(() => network.fabric.ports().some(({ name, connected }) => name === 'web' && connected));
    expect(await network.whoHears('a', frame(broadcast, macOf(1)))).toEqual(['web']);
    expect(network.fabric.port('web').worker).toBe(1);
  });
});

describe('a reload of a switch with two threads', () => {
  it('leaves ports of both alone, changes rules, and opens anew what changes its thread', async () => {
    await using network = await start({ ...two, c: { worker: 0 } });
    await network.send('b', frame(broadcast, macOf(2)));
    const next = { a: { worker: 0 }, b: { worker: 1, vlan: { access: 3 } }, c: { worker: 1 } };
    const done = await network.fabric.reload(parseConfig(network.configure(next)));
    expect(done).toEqual({ added: [], removed: [], changed: ['b'], reopened: ['c'] });
    const sent = frame(broadcast, macOf(2));
    const { a } = await network.send('b', sent);
    expect([network.fabric.port('b').connected, a[0].subarray(12, 16)]).toEqual([
      true,
      Uint8Array.of(0x81, 0, 0, 3),
    ]);
  });

  it('takes bridges away and brings others, on both', async () => {
    await using network = await start(two, { bridges: [{ name: 'br' }, { name: 'old' }] });
    const config = network.configure({});
    const bridges = [{ name: 'new' }];
    const ports = Object.entries(two).map(([name, port]) => ({
      name,
      ...port,
      bridge: 'new',
      socket: network.socket(name),
    }));
    await network.fabric.reload(parseConfig({ ...config, bridges, ports }));
    for (const name of ['a', 'b']) {
      await network.host(name).port.close();
      await network.connect(name);
    }
    const sent = frame(broadcast, macOf(1));
    expect(await network.send('a', sent)).toEqual({ b: [sent] });
    expect(network.fabric.bridges()).toEqual([
      expect.objectContaining({ name: 'new', ports: 2, learned: 1 }),
    ]);
  });

  it('refuses another number of threads before it changes anything', async () => {
    await using network = await start(two);
    const next = parseConfig({ ...network.configure({}), workers: 3 });
    expect(await codeOf(network.fabric.reload(next))).toBe('VIO_SWITCH_CONFIG');
    expect(network.fabric.ports()).toHaveLength(2);
  });
});

describe('a switch with several threads that ends', () => {
  it('leaves no descriptor and no memory', async () => {
    await (await start(two))[Symbol.asyncDispose]();
    const before = holdings();
    for (let round = 0; round < 3; round++) await (await start(two))[Symbol.asyncDispose]();
    expect(await holdingsLike(before)).toEqual(before);
  });

  it('because a port cannot be had leaves nothing either', async () => {
    const config = { workers: 2, bridges: [{ name: 'br' }], ports: [] };
    const port = { name: 'a', bridge: 'br', socket: '/nowhere/a.sock', worker: 1 };
    expect(await codeOf(VioSwitch.start(parseConfig({ ...config, ports: [port] })))).toBe(
      'VIO_SWITCH_DIRECTORY',
    );
  });
});
