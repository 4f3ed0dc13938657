// The switch whose frames are copied by other threads, as a process of its own, with ports of this one connected to it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { broadcast, frame, macOf } from '@vio/test-support';
import { afterEach, describe, expect, it } from 'vitest';
import { PortEndpoint } from '../support/endpoint.ts';
import { untilIdle } from '../support/idle.ts';

const program = fileURLToPath(new URL('../../examples/dma-switch/dist/main.js', import.meta.url));

/** A switch, and ports on its sockets. */
class Network {
  readonly #directory = mkdtempSync(join(tmpdir(), 'vio-dma-switch-'));
  readonly ports: VirtioUserPort[] = [];
  readonly #ends: PortEndpoint[] = [];
  #child: ChildProcess | undefined;
  said = '';

  async start(ports: number, options: readonly string[] = []): Promise<void> {
    const sockets = Array.from({ length: ports }, (_, i) => this.#socket(i));
    // Not every machine that runs tests lets memory be locked.
    const child = spawn(process.execPath, [program, '--lock', '0', ...options, ...sockets], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.said += text));
    await once(child.stdout, 'data');
    for (let i = 0; i < ports; i++) await this.connect(i);
  }

  async connect(host: number): Promise<void> {
    this.ports[host] = await openVirtioUser({ path: this.#socket(host) });
    this.#ends[host] = new PortEndpoint(this.ports[host]);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  send(host: number, ...frames: Uint8Array[]): void {
    if (this.#ends[host].send(0, frames) !== frames.length) throw new Error('the ring is full');
  }

  /** Waits until so many frames have come. */
  async receives(host: number, count: number): Promise<Uint8Array[]> {
    const frames: Uint8Array[] = [];
    while (frames.length < count) {
      frames.push(...this.#ends[host].receive(0));
      await turn();
    }
    return frames;
  }

  /** What is there right now. */
  received(host: number): Uint8Array[] {
    return this.#ends[host].receive(0);
  }

  /** Ends the switch. @returns its exit code */
  async end(): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    this.#child = undefined;
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    const [code] = await exit;
    return typeof code === 'number' ? code : null;
  }

  async close(): Promise<void> {
    for (const port of this.ports) await port.close();
    await this.end();
    rmSync(this.#directory, { recursive: true });
  }

  #socket(host: number): string {
    return join(this.#directory, `${host}.sock`);
  }
}

let network: Network | undefined;
afterEach(async () => {
  await network?.close();
  network = undefined;
});

async function start(ports: number, ...options: string[]): Promise<Network> {
  network = new Network();
  await network.start(ports, options);
  return network;
}

const same = (got: readonly Uint8Array[], sent: readonly Uint8Array[]): void =>
  expect(got.map((bytes) => Buffer.from(bytes).toString('hex'))).toEqual(
    sent.map((bytes) => Buffer.from(bytes).toString('hex')),
  );

describe.each([
  ['all frames by one thread', []],
  ['by two threads, and some by the switch', ['--dmas', '[txd0@one,rxd0@one,txd1@two,rxd2@two]']],
  ['none of them by another thread', ['--dmas', '[]']],
])('dma-switch copies %s', (_, options) => {
  it('and brings frames of all sizes to whom they are for, whole and in order', async () => {
    const net = await start(3, ...options);
    net.send(1, frame(broadcast, macOf(1)));
    await Promise.all([net.receives(0, 1), net.receives(2, 1)]);
    for (let round = 0; round < 20; round++) {
      const frames = [60, 61, 1514, 590, 9000, 64, 1515, 2048].map((bytes) =>
        frame(macOf(1), macOf(0), { bytes: bytes + (round % 7) }),
      );
      net.send(0, ...frames);
      same(await net.receives(1, frames.length), frames);
    }
    expect(net.received(2)).toEqual([]);
  });

  it('and floods: everybody else has the frame', async () => {
    const net = await start(4, ...options);
    const frames = [frame(broadcast, macOf(0)), frame(macOf(9), macOf(0), { bytes: 5000 })];
    net.send(0, ...frames);
    for (const host of [1, 2, 3]) same(await net.receives(host, 2), frames);
    expect(net.received(0)).toEqual([]);
  });

  it('and goes on when ports leave with frames on their way, and come back', async () => {
    const net = await start(3, ...options);
    net.send(1, frame(broadcast, macOf(1)));
    await Promise.all([net.receives(0, 1), net.receives(2, 1)]);
    for (let round = 0; round < 3; round++) {
      net.send(0, ...Array.from({ length: 16 }, () => frame(macOf(1), macOf(0), { bytes: 9000 })));
      await net.ports[1].close();
      await net.connect(1);
      net.send(1, frame(broadcast, macOf(1)));
      await net.receives(2, 1);
      const sent = frame(macOf(1), macOf(2), { bytes: 3000 });
      net.send(2, sent);
      const hears = async (): Promise<void> => {
        for (;;) {
          if (net.received(1).some((bytes) => Buffer.compare(bytes, sent) === 0)) return;
          await turn();
        }
      };
      await hears();
      net.received(0);
    }
    expect(await net.end()).toBe(0);
    expect(net.said).toMatch(/forwarded \d+ frames, flooded \d+/);
  });
});

describe('dma-switch', () => {
  it('sleeps when there is nothing to do, and so do its threads', async () => {
    const net = await start(2);
    await untilIdle(net.pid);
    const sent = frame(broadcast, macOf(0));
    net.send(0, sent);
    expect(await net.receives(1, 1)).toHaveLength(1);
    await untilIdle(net.pid);
  });

  it.each([
    [['one.sock']],
    [['--dmas', 'txd0@t', 'a.sock', 'b.sock']],
    [['--dmas', '[txd2@t]', 'a.sock', 'b.sock']],
    [['--dmas', '[txd0@t,txd0@u]', 'a.sock', 'b.sock']],
    [['--stats', 'often', 'a.sock', 'b.sock']],
    [['--lock', '2', 'a.sock', 'b.sock']],
    [['--no-such', 'a.sock', 'b.sock']],
  ])('says what is wrong with %j, and ends with 2', (args) => {
    const { status, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([2, expect.stringContaining('usage: ')]);
  });

  it('explains itself (--help)', () => {
    const { status, stdout } = spawnSync(process.execPath, [program, '--help'], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, expect.stringContaining('--dmas')]);
  });
});
