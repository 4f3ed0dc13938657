// How long a port that sends all the time takes from the return of its backend to the first packet there. The ports
// listen (server=1, the role in which DPDK's reconnects); the backend is ours for both, leaves, and comes back.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { cpuAffinity, setCpuAffinity } from '@vio/native';
import { PacketBurst } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { netVirtioUser } from '@vio/test/testpmd';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { type Contender, OwnContender, TestpmdContender } from '../contender.ts';
import { median } from '@vio/test/median';

/** Milliseconds. */
export interface Reconnection {
  readonly name: string;
  readonly median: number;
  readonly worst: number;
  readonly command: string;
}

/** How long the backend is away, in milliseconds. */
const absence = 1000;
const devargs = 'mrg_rxbuf=0,in_order=0';

/** @param rounds in each of which both ports lose their backend twice: ours, DPDK's, DPDK's, ours */
export async function reconnection(
  rounds: number,
  cpus: { prompt: number; contender: number; common: number },
): Promise<Reconnection[]> {
  const directory = mkdtempSync(join(tmpdir(), 'vio-return-'));
  const affinity = cpuAffinity();
  const links: Link[] = [];
  try {
    links.push(
      await Link.open('ours', join(directory, 'vio.sock'), (socket) =>
        OwnContender.openFrontend(`net_virtio_user0,path=${socket},server=1,${devargs}`, cpus.contender),
      ),
      await Link.open('DPDK', join(directory, 'dpdk.sock'), (socket) =>
        TestpmdContender.open({
          vdevs: [netVirtioUser(socket, 1, devargs, { server: true })],
          promptCpu: cpus.prompt,
          forwardCpu: cpus.contender,
          memory: 256,
        }),
      ),
    );
    setCpuAffinity([cpus.common]);
    for (let round = 0; round < rounds; round++) {
      for (const link of [...links, ...links.toReversed()]) await link.leaveAndReturn();
    }
    return links.map((link) => link.result);
  } finally {
    setCpuAffinity(affinity);
    for (const link of links) await link.close();
    rmSync(directory, { recursive: true });
  }
}

/** A port, and its backend, which comes and goes. */
class Link {
  readonly #name: string;
  readonly #socket: string;
  readonly #contender: Contender;
  readonly #times: number[] = [];
  #backend: Backend;

  private constructor(name: string, socket: string, contender: Contender, backend: Backend) {
    this.#name = name;
    this.#socket = socket;
    this.#contender = contender;
    this.#backend = backend;
  }

  static async open(
    name: string,
    socket: string,
    open: (socket: string) => Promise<Contender>,
  ): Promise<Link> {
    const backend = new Backend(socket);
    await backend.start();
    return new Link(name, socket, await open(socket), backend);
  }

  /** Only while it is measured does the port send, so that it has the CPU for itself. */
  async leaveAndReturn(): Promise<void> {
    await this.#contender.start('txonly', 64);
    await this.#backend.firstPacket();
    await this.#backend.close();
    await sleep(absence);
    this.#backend = new Backend(this.#socket);
    const begin = performance.now();
    await this.#backend.start();
    await this.#backend.firstPacket();
    this.#times.push(performance.now() - begin);
    await this.#contender.stop();
  }

  get result(): Reconnection {
    return {
      name: this.#name,
      median: median(this.#times),
      worst: Math.max(...this.#times),
      command: this.#contender.command.replaceAll(this.#socket, 'SOCKET'),
    };
  }

  async close(): Promise<void> {
    await this.#contender.close();
    await this.#backend.close();
  }
}

/** A backend that connects, and takes what it is sent. */
class Backend {
  readonly #driver: VhostDriver;
  readonly #pool = privatePool();
  readonly #burst = new PacketBurst(32);
  #device: VhostDevice | undefined;

  constructor(socket: string) {
    this.#driver = VhostDriver.register(socket, { client: true, retry: 5 });
    this.#driver.callbacks({
      newDevice: (device) => {
        this.#device = device;
      },
    });
  }

  start(): Promise<void> {
    return this.#driver.start();
  }

  close(): Promise<void> {
    return this.#driver.close();
  }

  async firstPacket(): Promise<void> {
    const begin = performance.now();
    while ((this.#device?.dequeueBurst(1, this.#pool, this.#burst) ?? 0) === 0) {
      if (performance.now() - begin > 30_000) throw new Error('no packet within 30 s');
      await turn();
    }
    this.#burst.release();
  }
}
