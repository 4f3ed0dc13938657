// A process that serves network cards by VDUSE, and switches between them. The same program is both ends: see `serverMain`.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { HDR_GSO_UDP_L4, PacketBurst } from '@vio/net';
import { BufferPool, Region, poolStride } from '@vio/rings';
import {
  ReceiveSteering,
  type VhostDevice,
  VhostDriver,
  controlFeatures,
  untilDevicePackets,
} from '@vio/vhost';

/** What a server is asked for; it goes to the process as JSON. */
export interface ServerOptions {
  /** Names of cards; what one sends, the other receives. */
  readonly cards: readonly string[];
  /** Queue pairs of each. */
  readonly pairs: number;
  /** Device features that are not offered: a mask in hexadecimal. */
  readonly without?: string;
  /** The same of the last card alone. */
  readonly lastWithout?: string;
}

/** What a server has seen. */
export interface ServerReport {
  /** Of each card: queue pairs in use, and packets that came by each. */
  readonly cards: readonly {
    readonly pairs: number;
    readonly packed: boolean;
    readonly received: readonly number[];
    /** What was negotiated: a mask in hexadecimal. */
    readonly features: string;
  }[];
  /** Packets that came with datagrams to be made of them (USO). */
  readonly packetsOfDatagrams: number;
  /** Codes of what callbacks were told, in that order. */
  readonly told: readonly string[];
}

const buffers = 2048;
let packetsOfDatagrams = 0;

/** True in the process of a server: it runs there, and the rest of the program does not. */
export function serverMain(): boolean {
  if (process.argv[2] !== 'server') return false;
  void serve(JSON.parse(process.argv[3]) as ServerOptions);
  return true;
}

async function serve({ cards, pairs, without = '0', lastWithout = '0' }: ServerOptions): Promise<void> {
  const region = new Region(new ArrayBuffer(buffers * poolStride(2048, 128)));
  const pool = new BufferPool({ region, offset: 0, count: buffers });
  const burst = new PacketBurst(64, { offloads: true });
  const ports = new Map<VhostDevice, ReceiveSteering>();
  const told: string[] = [];
  let others = new AbortController();
  const drivers = cards.map((name, i) => {
    const driver = VhostDriver.register(`/dev/vduse/${name}`, { retry: 100 });
    driver.setQueueNum(pairs);
    driver.enableFeatures(controlFeatures);
    driver.disableFeatures(BigInt(`0x${without}`));
    if (i === cards.length - 1) driver.disableFeatures(BigInt(`0x${lastWithout}`));
    driver.setNetConfig({ mac: `52:54:00:00:09:0${i}`, linkUp: true, mtu: 1400 });
    driver.callbacks({
      newDevice: (device) => {
        ports.set(device, new ReceiveSteering(device));
        others.abort();
      },
      destroyDevice: (device) => void ports.delete(device),
      refused: (_, { code }) => void told.push(code),
      connectionRefused: ({ code }) => void told.push(code),
      destroyConnection: (_, { code }) => void told.push(code),
      broken: (_, ring, { code, detail }) => {
        told.push(code);
        console.error(`${name}: ring ${ring} ${code} ${detail}`);
      },
    });
    return driver;
  });
  for (const driver of drivers) await driver.start();
  const stopping = new AbortController();
  createInterface(process.stdin).on('line', (line) => {
    if (line === 'report') {
      const report: ServerReport = { cards: Array.from(ports.keys(), seen), packetsOfDatagrams, told };
      console.log(JSON.stringify(report));
    }
    if (line === 'end') {
      stopping.abort();
      void Promise.all(drivers.map((driver) => driver.close())).then(() =>
        setImmediate(() => process.exit()),
      );
    }
  });
  console.log('ready');
  while (!stopping.signal.aborted) {
    others = new AbortController();
    const signal = AbortSignal.any([stopping.signal, others.signal]);
    if (ports.size === 0) await sleep(5);
    else if (!forward(ports, pool, burst)) await untilDevicePackets(ports.keys(), { signal });
    else await new Promise(setImmediate);
  }
}

/** @returns false: nothing was there */
function forward(ports: Map<VhostDevice, ReceiveSteering>, pool: BufferPool, burst: PacketBurst): boolean {
  let moved = false;
  for (const [from, steering] of ports) {
    for (let pair = 0; pair < from.pairsInUse; pair++) {
      if (from.dequeueBurst(2 * pair + 1, pool, burst) === 0) continue;
      moved = true;
      for (let i = 0; i < burst.count; i++)
        if (burst.offloads?.gsoType[i] === HDR_GSO_UDP_L4) packetsOfDatagrams++;
      steering.learn(pair, burst);
      for (const [to, other] of ports) if (to !== from) other.deliver(burst, 0, burst.count);
      burst.release();
    }
  }
  return moved;
}

function seen(device: VhostDevice): ServerReport['cards'][number] {
  const stats = device.stats();
  return {
    pairs: device.pairsInUse,
    packed: (device.features & (1n << 34n)) !== 0n,
    features: device.features.toString(16),
    received: Array.from({ length: device.pairsInUse }, (_, pair) => stats[`rx_q${pair}_good_packets`]),
  };
}

/** The process of a server, seen from the test. */
export class Server {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  /** Those that run. */
  static readonly #all = new Set<Server>();

  /** Ends those that a step has left. */
  static async endAll(): Promise<void> {
    for (const server of Server.#all) await server.kill();
  }

  static async start(options: ServerOptions): Promise<Server> {
    const child = spawn(process.execPath, [process.argv[1], 'server', JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const server = new Server(child);
    await server.#answer();
    return server;
  }

  private constructor(child: ChildProcess) {
    if (child.stdout === null) throw new Error('the server has no output');
    this.#process = child;
    Server.#all.add(this);
    child.once('exit', () => Server.#all.delete(this));
    this.#lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  }

  async report(): Promise<ServerReport> {
    this.#process.stdin?.write('report\n');
    return JSON.parse(await this.#answer()) as ServerReport;
  }

  /** SIGSTOP and SIGCONT return at once, others when the process has ended. */
  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Kills it, whatever it is doing. */
  async kill(): Promise<void> {
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }

  /** Ends it in peace. @returns its exit code */
  async end(): Promise<number | null> {
    const exit = once(this.#process, 'exit');
    this.#process.stdin?.write('end\n');
    const [code] = (await exit) as [number | null];
    return code;
  }

  async #answer(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the server has ended');
    return value;
  }
}
