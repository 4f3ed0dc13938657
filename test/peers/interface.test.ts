// A switch on interfaces of this kernel that are there already: veths, and Linux's own stack behind them.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { HDR_F_NEEDS_CSUM, HDR_GSO_TCPV4 } from '@vio/net';
import { readFrames, writeFrames } from '@vio/net/testing';
import { type Trouble, VioSwitch, parseConfig } from '@vio/switch';
import { callSwitch } from '@vio/switch/client';
import {
  broadcast,
  codeOf,
  codeOfCall,
  frame,
  macOf,
  scratchDirectory,
  tcpSegment,
  until,
} from '@vio/test-support';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sh } from '../support/sh.ts';
import { vioProgram } from '../support/vio-program.ts';

const directory = scratchDirectory('interface');
let serial = 0;
let a = '';
let b = '';
let ends: (() => Promise<void>)[] = [];

const later = <T>(what: T, end: () => Promise<void>): T => {
  ends.unshift(end);
  return what;
};

/** A pair of interfaces on which the kernel says nothing by itself. */
function makePair(): void {
  sh(`ip link add ${a} type veth peer name ${b}`);
  for (const name of [a, b]) sh(`ip link set ${name} addrgenmode none && ip link set ${name} up`);
}

beforeEach(() => {
  a = `via${process.pid}${serial}`;
  b = `vib${process.pid}${serial++}`;
  makePair();
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  sh(`ip link del ${a} 2>/dev/null || true`);
});

interface Side {
  readonly fabric: VioSwitch;
  readonly host: VirtioUserPort;
  readonly troubles: Trouble[];
}

/** A switch on one of them, with a host that takes and leaves offloads. */
async function side(name: string, rules: { host?: object; uplink?: object } = {}): Promise<Side> {
  const place = join(directory, `${serial}-${name}`);
  mkdirSync(place);
  const socket = join(place, 'host.sock');
  const troubles: Trouble[] = [];
  const config = parseConfig({
    bridges: [{ name: 'br' }],
    ports: [
      { name: 'host', bridge: 'br', socket, ...rules.host },
      { name: 'up', bridge: 'br', interface: name, ...rules.uplink },
    ],
  });
  const fabric = await VioSwitch.start(config, { onTrouble: (trouble) => troubles.push(trouble) });
  later(fabric, () => fabric.close());
  const offloads = { rxChecksum: true, lro: true, txChecksum: true, tso: true };
  const host = await openVirtioUser({ path: socket }, { offloads });
  later(host, () => host.close());
  await until(() => fabric.port('host').connected);
  return { fabric, host, troubles };
}

/** The same of an interface with a carrier, which the kernel takes its time to notice. */
async function sideUp(...args: Parameters<typeof side>): Promise<Side> {
  const made = await side(...args);
  await until(() => made.fabric.port('up').connected);
  made.troubles.length = 0;
  return made;
}

/** All that a host has received by now. */
function received({ host }: Side): Uint8Array[] {
  const burst = host.burst();
  const frames: Uint8Array[] = [];
  while (host.rx[0].receive(burst) > 0) {
    frames.push(...readFrames(burst));
    burst.release();
  }
  return frames;
}

/** What a host receives, once it is so many frames. */
async function hears(at: Side, count: number): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  await until(() => {
    frames.push(...received(at));
    return frames.length >= count;
  });
  return frames;
}

/** Sends a TCP packet of 30,000 bytes that others are to cut, and whose checksum is theirs. */
function sendLarge({ host }: Side): Uint8Array {
  const packet = tcpSegment(30_000);
  packet.fill(0xff, 0, 6);
  const burst = host.burst();
  writeFrames(host.pool, burst, [packet]);
  const { offloads } = burst;
  if (offloads === undefined) throw new TypeError('this host has no offloads');
  offloads.flags[0] = HDR_F_NEEDS_CSUM;
  offloads.gsoType[0] = HDR_GSO_TCPV4;
  offloads.segmentSize[0] = 1400;
  expect([host.tx[0].prepare(burst), host.tx[0].send(burst)]).toEqual([1, 1]);
  return packet;
}

/** @returns tells what a program has said so far */
function words(child: ChildProcessByStdio<null, Readable, null>): () => string {
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (said += more));
  return () => said;
}

const toAll = (host: number, bytes: number): Uint8Array => frame(broadcast, macOf(host), { bytes });

describe('two switches at the ends of a veth', () => {
  it('exchange frames bit for bit, in both directions', async () => {
    const [left, right] = [await sideUp(a), await sideUp(b)];
    for (const [from, to] of [
      [left, right],
      [right, left],
    ] as const) {
      const frames = [60, 61, 1514].map((bytes, i) => toAll(i + 1, bytes));
      for (const one of frames) await from.host.send(one);
      expect(await hears(to, 3)).toEqual(frames);
    }
    expect(left.fabric.port('up')).toMatchObject({ state: 'up', link: { kind: 'interface', interface: a } });
  });

  it('keep the segmentation of large packets for whoever takes them', async () => {
    const [left, right] = [await sideUp(a), await sideUp(b)];
    const sent = sendLarge(left);
    const [whole] = await hears(right, 1);
    expect([whole.length, whole.subarray(54)]).toEqual([sent.length, sent.subarray(54)]);
  });

  it('keep VLAN tags, which the kernel takes off on the way, and large packets behind them', async () => {
    const left = await sideUp(a, { host: { vlan: { access: 5 } } });
    const [trunk] = [await sideUp(b)];
    const plain = toAll(1, 60);
    await left.host.send(plain);
    const [tagged] = await hears(trunk, 1);
    expect(tagged).toEqual(Uint8Array.from([...plain.subarray(0, 12), 0x81, 0, 0, 5, ...plain.subarray(12)]));
    const sent = sendLarge(left);
    const [whole] = await hears(trunk, 1);
    expect([whole.length, whole.subarray(58)]).toEqual([sent.length + 4, sent.subarray(54)]);
  });

  it('give back what was tagged to a port of the VLAN, without the tag', async () => {
    const [left, right] = [await sideUp(a), await sideUp(b, { host: { vlan: { access: 7 } } })];
    const plain = toAll(1, 100);
    await right.host.send(plain);
    const [tagged] = await hears(left, 1);
    received(right);
    tagged[11] = 9;
    await left.host.send(tagged);
    plain[11] = 9;
    expect(await hears(right, 1)).toEqual([plain]);
  });

  it('count what is larger than the interface takes, and go on', async () => {
    const [left, right] = [await sideUp(a), await sideUp(b)];
    await left.host.send(toAll(1, 2000));
    await left.host.send(toAll(1, 60));
    expect((await hears(right, 1)).map(({ length }) => length)).toEqual([60]);
    expect(left.fabric.counters()['up']).toMatchObject({ tx_frames: 1, dropped_full_frames: 1 });
    expect(left.fabric.measured()['up'].stats()).toMatchObject({ tx_q0_dropped_oversize_packets: 1 });
  });
});

describe('an interface', () => {
  it('that is set down is named so, and used again when it is up', async () => {
    const [left, right] = [await sideUp(a), await sideUp(b)];
    sh(`ip link set ${a} down`);
    await until(
      () => left.fabric.port('up').state === 'down' && right.fabric.port('up').state === 'no-carrier',
    );
    await left.host.send(toAll(1, 60));
    await until(() => left.fabric.counters()['host'].rx_frames === 1);
    sh(`ip link set ${a} up`);
    await until(() => left.fabric.port('up').state === 'up' && right.fabric.port('up').state === 'up');
    await left.host.send(toAll(1, 61));
    expect((await hears(right, 1)).map(({ length }) => length)).toEqual([61]);
    expect(left.troubles[0]).toMatchObject({ port: 'up', code: 'VIO_INTERFACE_DOWN' });
  });

  it('that is deleted under load is named so, and used again when one of its name is there', async () => {
    const [left, right] = [await sideUp(a), await sideUp(b)];
    const stop = new AbortController();
    const load = (async () => {
      for (let i = 0; !stop.signal.aborted; i++) {
        for (let k = 0; k < 32; k++) await left.host.send(toAll(1, 60 + (i % 1000)));
        received(right);
        await new Promise(setImmediate);
      }
    })();
    await until(() => right.fabric.counters()['up'].rx_frames > 1000);
    sh(`ip link del ${a}`);
    await until(() => [left, right].every(({ fabric }) => fabric.port('up').state === 'missing'));
    makePair();
    await until(() => [left, right].every(({ fabric }) => fabric.port('up').state === 'up'));
    const before = right.fabric.counters()['up'].rx_frames;
    await until(() => right.fabric.counters()['up'].rx_frames > before + 1000);
    stop.abort();
    await load;
    expect(left.troubles[0]).toMatchObject({ port: 'up', code: 'VIO_INTERFACE_MISSING' });
  });

  it('that is not there yet is waited for', async () => {
    sh(`ip link del ${a}`);
    const left = await side(a);
    expect(left.fabric.port('up')).toMatchObject({ state: 'missing', connected: false });
    makePair();
    await until(() => left.fabric.port('up').connected);
  });

  it('costs nothing while nobody sends', async () => {
    const [left, right] = [await sideUp(a), await sideUp(b)];
    await until(() => left.fabric.awake === 0 && right.fabric.awake === 0);
    await left.host.send(toAll(1, 60));
    expect(await hears(right, 1)).toHaveLength(1);
  });

  it('of no Ethernet is refused, and of another port as well', async () => {
    const { fabric } = await sideUp(a);
    const port = (name: string): object => ({ name: `p-${name}`, bridge: 'br', interface: name });
    expect(await codeOf(fabric.addPort(port('lo')))).toBe('VIO_INTERFACE_TYPE');
    expect(await codeOf(fabric.addPort(port(a)))).toBe('VIO_SWITCH_INTERFACE_TAKEN');
    expect(codeOfCall(() => fabric.addPort({ ...port(a), tap: a }))).toBe('VIO_SWITCH_CONFIG');
  });
});

describe('Linux behind an interface', () => {
  it('sends and receives by TCP, with all of its offloads, through a switch with a tap', async () => {
    const [near, far] = [`vio-near-${process.pid}`, `vio-far-${process.pid}`];
    for (const name of [near, far]) {
      sh(`ip netns add ${name} && ip -n ${name} link set lo up`);
      later(name, () => Promise.resolve(void sh(`ip netns del ${name}`)));
    }
    sh(`ip link set ${a} netns ${near} && ip link set ${b} netns ${far}`);
    // The stack of this side is behind the tap: by the interface it is to say nothing.
    sh(`ip netns exec ${near} sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore'`);
    sh(
      `ip -n ${near} link set ${a} up && ip -n ${far} addr add 10.99.7.2/24 dev ${b} && ip -n ${far} link set ${b} up`,
    );
    const config = join(directory, 'tcp.json');
    const control = join(directory, 'tcp.sock');
    const ports = [
      { name: 'up', bridge: 'br', interface: a },
      { name: 'own', bridge: 'br', tap: 'viotap' },
    ];
    writeFileSync(config, JSON.stringify({ control, bridges: [{ name: 'br' }], ports }));
    const within = (name: string, ...args: readonly string[]) =>
      spawn('ip', ['netns', 'exec', name, process.execPath, ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    const daemon = within(near, vioProgram, 'switch', 'run', '--config', config, '--no-telemetry');
    later(daemon, async () => {
      daemon.kill('SIGTERM');
      await once(daemon, 'close');
    });
    const daemonSays = words(daemon);
    await until(() => daemonSays().includes('switching'));
    sh(`ip -n ${near} addr add 10.99.7.1/24 dev viotap`);
    const server = within(
      far,
      '-e',
      `require('node:net').createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
        .listen(7000, () => console.log('listening'));`,
    );
    later(server, () => Promise.resolve(void server.kill('SIGKILL')));
    const serverSays = words(server);
    await until(() => serverSays().includes('listening'));
    const client = within(
      near,
      '-e',
      `const { createHash, randomBytes } = require('node:crypto');
        const data = randomBytes(1 << 24);
        const back = createHash('sha256');
        const socket = require('node:net').connect(7000, '10.99.7.2', () => socket.end(data));
        socket.on('data', (part) => back.update(part));
        socket.on('end', () => console.log(back.digest('hex') === createHash('sha256').update(data).digest('hex')));`,
    );
    expect(await text(client.stdout)).toBe('true\n');
    const { up } = (await callSwitch(control, 'show-counters')) as Record<string, Record<string, number>>;
    // Packets of the kernel's size, not of the wire's.
    expect(up['rx_bytes'] / up['rx_frames']).toBeGreaterThan(2000);
  });
});
