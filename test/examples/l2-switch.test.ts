// The switch as a process of its own, with ports of this one connected to it.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_MRG_RXBUF } from '@vio/net';
import { rarpFrame } from '@vio/net/internal';
import { broadcast, frame, macOf, multicast } from '@vio/test-support';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PortEndpoint } from '../support/endpoint.ts';
import { untilIdle } from '../support/idle.ts';
import { Network, program } from './l2-switch-network.ts';

/** Waits for a frame on any queue. @returns the queue pair it came on */
async function arrival(endpoint: PortEndpoint, queues: number): Promise<number> {
  for (;;) {
    for (let pair = 0; pair < queues; pair++) if (endpoint.receive(pair).length > 0) return pair;
    await turn();
  }
}

let network: Network;

async function start(ports: number, ...options: string[]): Promise<void> {
  network = new Network(ports, options);
  await network.start();
}

afterEach(async () => {
  await network.stop();
  rmSync(network.directory, { recursive: true });
});

describe('l2-switch with four ports', () => {
  beforeEach(() => start(4));

  it('floods a frame to an address nobody has been heard from', async () => {
    expect(await network.whoHears(0, frame(macOf(9), macOf(0)))).toEqual([1, 2, 3]);
  });

  it.each([
    ['broadcast', broadcast],
    ['multicast', multicast],
  ])('floods a %s', async (_, to) => {
    expect(await network.whoHears(1, frame(to, macOf(1)))).toEqual([0, 2, 3]);
  });

  it('sends a frame to a learned address to its port only', async () => {
    await network.whoHears(2, frame(broadcast, macOf(2)));
    expect(await network.whoHears(0, frame(macOf(2), macOf(0)))).toEqual([2]);
  });

  it('lets two hosts talk without a third hearing, both ways', async () => {
    await network.whoHears(0, frame(macOf(3), macOf(0)));
    const answer = await network.whoHears(3, frame(macOf(0), macOf(3)));
    const reply = await network.whoHears(0, frame(macOf(3), macOf(0)));
    expect([answer, reply]).toEqual([[0], [3]]);
  });

  it('keeps a frame to itself when its destination is on the port it came from', async () => {
    await network.whoHears(0, frame(broadcast, macOf(7)));
    expect(await network.whoHears(0, frame(macOf(7), macOf(0)))).toEqual([]);
  });

  it('follows an address that moves to another port', async () => {
    await network.whoHears(1, frame(broadcast, macOf(7)));
    await network.whoHears(2, frame(broadcast, macOf(7)));
    expect(await network.whoHears(0, frame(macOf(7), macOf(0)))).toEqual([2]);
  });

  it('learns several addresses on one port', async () => {
    for (const mac of [7, 8]) await network.whoHears(1, frame(broadcast, macOf(mac)));
    const heard = [
      await network.whoHears(0, frame(macOf(7), macOf(0))),
      await network.whoHears(0, frame(macOf(8), macOf(0))),
    ];
    expect(heard).toEqual([[1], [1]]);
  });

  it('learns nothing from a source that is a group', async () => {
    await network.whoHears(1, frame(broadcast, multicast));
    expect(await network.whoHears(0, frame(multicast, macOf(0)))).toEqual([1, 2, 3]);
  });

  it('forgets the addresses of a port that leaves', async () => {
    await network.whoHears(2, frame(broadcast, macOf(7)));
    await network.disconnect(2);
    expect(await network.whoHears(0, frame(macOf(7), macOf(0)))).toEqual([1, 3]);
  });

  it('takes a port that comes back', async () => {
    await network.disconnect(2);
    await network.connect(2);
    expect(await network.whoHears(0, frame(broadcast, macOf(0)))).toEqual([1, 2, 3]);
  });

  it('ends on SIGINT with 0, says what it did and removes its sockets', async () => {
    await network.whoHears(0, frame(broadcast, macOf(0)));
    const { code, said } = await network.stop();
    expect([code, said, network.sockets.filter(existsSync)]).toEqual([
      0,
      'forwarded 0 frames, flooded 6\n',
      [],
    ]);
  });
});

describe('l2-switch and ports of several queue pairs', () => {
  it('brings answers to the receive queue of the pair the question left on', async () => {
    network = new Network(2);
    await network.start();
    const [client, server] = [await network.reconnect(0, 4), await network.reconnect(1, 2)];
    const arrivals: number[] = [];
    for (const pair of [3, 1, 0, 2]) {
      // Non-IP flows are told by their two addresses.
      const host = macOf(20 + pair);
      client.send(pair, [frame(macOf(1), host)]);
      await arrival(server, 2);
      server.send(1, [frame(host, macOf(1))]);
      arrivals.push(await arrival(client, 4));
    }
    expect(arrivals).toEqual([3, 1, 0, 2]);
  });
});

describe('l2-switch with an ageing time', () => {
  it('forgets an address that was not heard for as long', async () => {
    await start(3, '--ageing', '0.1');
    await network.whoHears(2, frame(broadcast, macOf(7)));
    await sleep(150);
    expect(await network.whoHears(0, frame(macOf(7), macOf(0)))).toEqual([1, 2]);
  });
});

describe('l2-switch between guests and an uplink', () => {
  const uplink = 3;

  it('takes the uplink for a port like others by default', async () => {
    await start(4, '--uplink');
    const heard = [
      await network.whoHears(0, frame(broadcast, macOf(0))),
      await network.whoHears(uplink, frame(macOf(0), macOf(uplink))),
    ];
    expect(heard).toEqual([[1, 2, uplink], [0]]);
  });

  /** The fence of `whoHears` does not reach everybody here. */
  async function after(sender: number, sent: Uint8Array): Promise<number[]> {
    network.send(sender, sent);
    const heard: number[] = [];
    // What the uplink sends last reaches every guest, and what came before it was heard.
    const fence = frame(broadcast, macOf(200));
    if (sender !== uplink) await network.hears(uplink, sent);
    network.send(uplink, fence);
    for (const guest of [0, 1, 2]) {
      if (await network.hears(guest, sent, fence)) heard.push(guest);
    }
    return heard;
  }

  it.each(['0', '2'])('sends what guests send to the uplink alone (--vm2vm %s)', async (mode) => {
    await start(4, '--vm2vm', mode, '--uplink');
    const heard = [
      await after(0, frame(broadcast, macOf(0))),
      await after(1, frame(macOf(0), macOf(1))),
      await after(uplink, frame(macOf(0), macOf(9))),
      await after(uplink, frame(broadcast, macOf(9))),
    ];
    expect(heard).toEqual([[], [], [0], [0, 1, 2]]);
  });

  it.each([
    ['reaches other guests', '2', [[1], [1, 2]]],
    ['reaches no guest', '0', [[], []]],
  ])('what the uplink sends back of a guest %s (--vm2vm %s)', async (_, mode, expected) => {
    await start(4, '--vm2vm', mode, '--uplink');
    for (const guest of [0, 1]) await after(guest, frame(broadcast, macOf(guest)));
    const heard = [
      await after(uplink, frame(macOf(1), macOf(0))),
      await after(uplink, frame(broadcast, macOf(0))),
    ];
    expect(heard).toEqual(expected);
  });
});

describe('l2-switch without anything to do', () => {
  it('takes next to no processor time, and wakes for who sends', async () => {
    await start(2);
    await untilIdle(network.pid);
    const sent = frame(broadcast, macOf(0));
    network.send(0, sent);
    expect(await network.hears(1, sent)).toBe(true);
    await untilIdle(network.pid);
  });
});

describe('l2-switch and a guest that was moved to another of its ports', () => {
  it('is told by the new frontend, and others with it: frames for the guest go there', async () => {
    const [sender, before, after, other] = [0, 1, 2, 3];
    network = new Network(4);
    await network.startSwitch();
    for (const host of [sender, before, other]) await network.connect(host);
    await network.whoHears(before, frame(broadcast, macOf(before)));
    const there = frame(macOf(before), macOf(sender));
    expect(await network.whoHears(sender, there)).toEqual([before]);
    const mac = '02:00:00:00:00:01';
    const { frontend, endpoint } = await network.arrive(after, mac);
    await frontend.sendRarp(Uint8Array.from(macOf(before)));
    const announcement = rarpFrame(mac);
    expect(await network.hears(sender, announcement)).toBe(true);
    expect(await network.hears(other, announcement)).toBe(true);
    expect(await network.whoHears(sender, there)).toEqual([]);
    const received: Uint8Array[] = [];
    while (received.length < 2) {
      received.push(...endpoint.receive(0));
      await turn();
    }
    expect(received[0]).toEqual(there);
  });
});

describe('l2-switch and what guests may leave to others', () => {
  const bits = (features: bigint): boolean[] =>
    [VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_MRG_RXBUF].map((bit) => (features & bit) !== 0n);

  it.each([
    ['nothing', [], [true, true, true]],
    ['segmentation', ['--tso', '0'], [true, false, true]],
    ['checksums, and segmentation with them', ['--tx-csum', '0'], [false, false, true]],
    ['mergeable buffers', ['--mergeable', '0'], [true, true, false]],
  ])('can be had without %s', async (_, options, expected) => {
    network = new Network(2, options);
    await network.startSwitch();
    expect(bits(await network.offered(0))).toEqual(expected);
  });
});

describe('l2-switch and a guest that does not receive', () => {
  /** Sends frames to host 1 until the switch says so. */
  async function sendUntil(done: RegExp): Promise<void> {
    while (!done.test(network.said)) {
      network.trySend(0, frame(macOf(1), macOf(0)));
      await turn();
    }
  }
  const dropped = /^1\.sock +\d+ +\d+ +[1-9]\d* /m;

  it('tries a full receive queue again, and drops then', async () => {
    await start(2, '--stats', '0.05');
    await network.whoHears(1, frame(broadcast, macOf(1)));
    await sendUntil(dropped);
    const counts = /^1\.sock +\d+ +\d+ +[1-9]\d* +[1-9]\d*$/m;
    expect(await network.says(counts)).toMatch(counts);
  });

  it('drops at once with --rx-retry 0', async () => {
    await start(2, '--stats', '0.05', '--rx-retry', '0');
    await network.whoHears(1, frame(broadcast, macOf(1)));
    await sendUntil(dropped);
    const counts = /^1\.sock +\d+ +\d+ +[1-9]\d* +0$/m;
    expect(await network.says(counts)).toMatch(counts);
  });

  it('loses nothing when room comes in time, and keeps the order', async () => {
    await start(2, '--stats', '0.05', '--rx-retry-num', '1e9');
    await network.whoHears(1, frame(broadcast, macOf(1)));
    const sent: string[] = [];
    const heard: string[] = [];
    while (heard.length < 1000) {
      const next = frame(macOf(1), macOf(0));
      if (sent.length < 1000 && network.trySend(0, next)) sent.push(Buffer.from(next).toString('hex'));
      // Nothing is received before there is no room any more.
      if (/^1\.sock.* [1-9]\d*$/m.test(network.said))
        heard.push(...network.received(1).map((bytes) => Buffer.from(bytes).toString('hex')));
      await turn();
    }
    expect(heard).toEqual(sent);
  });
});

describe('l2-switch, as it is started', () => {
  it('connects to guests that listen (--client)', async () => {
    network = new Network(2, ['--client']);
    const ready = Promise.all([0, 1].map((host) => network.connect(host, { server: true })));
    await network.startSwitch();
    await ready;
    expect(await network.whoHears(0, frame(broadcast, macOf(0)))).toEqual([1]);
  });

  it('waits for guests that do not listen yet (--client)', async () => {
    network = new Network(2, ['--client']);
    await network.startSwitch();
    await Promise.all([0, 1].map((host) => network.connect(host, { server: true })));
    expect(await network.whoHears(0, frame(broadcast, macOf(0)))).toEqual([1]);
  });

  it('prints the counters of its ports (--stats)', async () => {
    await start(2, '--stats', '0.05');
    await network.whoHears(0, frame(broadcast, macOf(0)));
    const counts = /^0\.sock +2 +0 +0 +0\n1\.sock +0 +2 +0 +0$/m;
    expect(await network.says(counts)).toMatch(counts);
  });

  it.each([
    [['one.sock']],
    [['--vm2vm', '3', 'a.sock', 'b.sock']],
    [['--vm2vm', '0', 'a.sock', 'b.sock']],
    [['--tso', '1', '--tx-csum', '0', 'a.sock', 'b.sock']],
    [['--stats', 'often', 'a.sock', 'b.sock']],
    [['--no-such', 'a.sock', 'b.sock']],
  ])('says what is wrong with %j, and ends with 2', (args) => {
    network = new Network(0);
    const { status, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([2, expect.stringContaining('usage: ')]);
  });

  it.each([
    ['--stats', '1e10'],
    ['--stats', 'often'],
    ['--ageing', '0'],
    ['--ageing', '1e300'],
    ['--rx-retry-delay', '-1'],
    ['--vm2vm', '1.5'],
  ])('does not take %s %s', (option, value) => {
    network = new Network(0);
    const args = [program, '/tmp/a', '/tmp/b', `${option}=${value}`];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect([status, stderr]).toEqual([2, expect.stringContaining(`${option} cannot be ${value}`)]);
  });

  it('explains itself (--help)', () => {
    network = new Network(0);
    const { status, stdout } = spawnSync(process.execPath, [program, '--help'], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, expect.stringContaining('--rx-retry-delay')]);
  });
});
