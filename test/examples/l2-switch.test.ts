// The switch as a process of its own, with ports of this one connected to it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PortEndpoint } from '../endpoint.ts';

const program = fileURLToPath(new URL('../../examples/l2-switch/dist/main.js', import.meta.url));
const broadcast = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const multicast = [0x01, 0, 0x5e, 0, 0, 0xfb];
/** An address nobody has, of the host with this number. */
const macOf = (host: number): number[] => [0x02, 0, 0, 0, 0, host];

let sequence = 0;
function frame(to: readonly number[], from: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(60);
  bytes.set([...to, ...from, 0x88, 0xb5]);
  bytes.writeUInt32BE(sequence++, 14);
  return Uint8Array.from(bytes);
}

/** A switch with hosts on its ports. */
class Network {
  readonly directory = mkdtempSync(join(tmpdir(), 'vio-switch-'));
  readonly #hosts = new Map<number, PortEndpoint>();
  readonly #ports: VirtioUserPort[] = [];
  readonly sockets: string[];
  readonly #ageing: number;
  #process: ChildProcess | null = null;

  constructor(ports: number, ageing = 300) {
    this.sockets = Array.from({ length: ports }, (_, i) => join(this.directory, `${i}.sock`));
    this.#ageing = ageing;
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [program, '--ageing', String(this.#ageing), ...this.sockets], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#process = child;
    await once(child.stdout, 'data');
    for (const i of this.sockets.keys()) await this.connect(i);
  }

  async connect(host: number): Promise<void> {
    this.#ports[host] = await openVirtioUser({ path: this.sockets[host] });
    this.#hosts.set(host, new PortEndpoint(this.#ports[host]));
  }

  /** Another port in place of a host's, with so many queue pairs. It receives whatever comes. */
  async reconnect(host: number, queues: number): Promise<PortEndpoint> {
    await this.disconnect(host);
    const port = await openVirtioUser({ path: this.sockets[host], queues });
    await port.control.setPromiscuous(true);
    this.#ports[host] = port;
    return new PortEndpoint(port);
  }

  async disconnect(host: number): Promise<void> {
    await this.#ports[host].close();
    this.#hosts.delete(host);
  }

  /**
   * Sends a frame, and after it a broadcast that everybody hears: what came before that was the frame.
   * @returns who heard the frame
   */
  async whoHears(sender: number, sent: Uint8Array): Promise<number[]> {
    const fence = frame(broadcast, macOf(sender));
    if (this.#hosts.get(sender)?.send(0, [sent, fence]) !== 2) throw new Error('the ring is full');
    const heard: number[] = [];
    const listen = async (host: number, endpoint: PortEndpoint): Promise<void> => {
      for (;;) {
        for (const received of endpoint.receive(0)) {
          if (Buffer.compare(received, fence) === 0) return;
          if (Buffer.compare(received, sent) === 0) heard.push(host);
        }
        await turn();
      }
    };
    const others = [...this.#hosts].filter(([host]) => host !== sender);
    await Promise.all(others.map(([host, endpoint]) => listen(host, endpoint)));
    return heard.toSorted((a, b) => a - b);
  }

  /** Ends the switch as a user does. @returns exit code and output */
  async stop(): Promise<{ code: unknown; said: string }> {
    for (const port of this.#ports) await port.close();
    const child = this.#process;
    if (child === null || child.exitCode !== null) return { code: null, said: '' };
    let said = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.kill('SIGINT');
    const [code] = await once(child, 'close');
    return { code, said };
  }
}

/** Waits for a frame on any queue. @returns the queue pair it came on */
async function arrival(endpoint: PortEndpoint, queues: number): Promise<number> {
  for (;;) {
    for (let pair = 0; pair < queues; pair++) if (endpoint.receive(pair).length > 0) return pair;
    await turn();
  }
}

let network: Network;

async function start(ports: number, ageing?: number): Promise<void> {
  network = new Network(ports, ageing);
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
    await start(3, 0.1);
    await network.whoHears(2, frame(broadcast, macOf(7)));
    await sleep(150);
    expect(await network.whoHears(0, frame(macOf(7), macOf(0)))).toEqual([1, 2]);
  });
});
