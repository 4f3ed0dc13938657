// Who is measured: processes that send and receive as they are told.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { ip } from '../commands.ts';

export type Direction = 'tx' | 'rx';

export interface Contender {
  readonly name: string;
  /** The kernel's interface at the other end. */
  readonly far: string;
  start(direction: Direction, length: number): void;
  stop(): Promise<void>;
  /** Packets: sent ones by the kernel's count, received ones by its own. */
  count(direction: Direction): Promise<number>;
  close(): void;
}

/** Milliseconds a contender may be silent before it is ended. */
const patience = 60_000;

/** A process that is spoken to by lines. */
class Worker {
  readonly #child: ChildProcess;
  #said = '';
  #wake = () => {};

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
      this.#wake();
    });
    this.#child.on('exit', () => this.#wake());
  }

  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** What it says next that matches; what it said before is forgotten. */
  async hear(pattern: RegExp): Promise<RegExpExecArray> {
    const silence = setTimeout(() => {
      this.#child.kill('SIGKILL');
    }, patience);
    try {
      return await this.#hear(pattern);
    } finally {
      clearTimeout(silence);
    }
  }

  async #hear(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#said);
      if (match !== null) {
        this.#said = this.#said.slice(match.index + match[0].length);
        return match;
      }
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`a contender ended before it said ${String(pattern)}: ${this.#said}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  forget(): void {
    this.#said = '';
  }

  end(): void {
    this.#child.stdin?.end();
  }
}

const received = (name: string): number =>
  Number(readFileSync(`/sys/class/net/${name}/statistics/rx_packets`, 'utf8'));

/** A process of this program. */
async function own(name: string, far: string): Promise<Contender> {
  const worker = new Worker(process.execPath, [process.argv[1], name]);
  await worker.hear(/ready\n/);
  ip([`link set ${far} up`]);
  return {
    name,
    far,
    start: (direction, length) => worker.tell(`${direction} ${length}`),
    stop: () => {
      worker.tell('stop');
      return Promise.resolve();
    },
    count: async (direction) => {
      if (direction === 'tx') return received(far);
      worker.tell('count');
      return Number((await worker.hear(/(\d+)\n/))[1]);
    },
    close: () => worker.end(),
  };
}

/** @param device the port, as `--vdev` takes it */
async function testpmd(name: string, far: string, device: string): Promise<Contender> {
  const eal = ['--lcores', '0@0,1@1', '--main-lcore', '0', '--no-pci', '--no-huge', '-m', '160'];
  const app = ['-i', '--nb-cores=1', '--total-num-mbufs=8192', '--no-mlockall'];
  // Into a pipe it would keep its words to itself.
  const worker = new Worker('stdbuf', [
    '-oL',
    'dpdk-testpmd',
    ...eal,
    '--no-telemetry',
    '--no-shconf',
    '--file-prefix',
    name,
    '--vdev',
    device,
    '--',
    ...app,
  ]);
  await worker.hear(/testpmd> /);
  ip([`link set ${far} up`]);
  return {
    name,
    far,
    start: (direction, length) => {
      worker.tell(direction === 'tx' ? 'set fwd txonly' : 'set fwd rxonly');
      worker.tell(`set txpkts ${length}`);
      worker.tell('start');
    },
    stop: async () => {
      worker.forget();
      worker.tell('stop');
      await worker.hear(/Done\./);
    },
    count: async (direction) => {
      if (direction === 'tx') return received(far);
      worker.forget();
      worker.tell('show port stats 0');
      return Number((await worker.hear(/RX-packets: (\d+)/))[1]);
    },
    close: () => {
      worker.tell('quit');
      worker.end();
    },
  };
}

/** The first is what the others are compared to. */
export const contenders: readonly (() => Promise<Contender>)[] = [
  () => own('vio', 'vio0'),
  () =>
    testpmd('dpdk-virtio-user', 'dpdk0', 'net_virtio_user0,path=/dev/vhost-net,iface=dpdk0,queue_size=256'),
  () => own('node-tap', 'raw0'),
  () => {
    ip(['link add packet0 type veth peer name packet1', 'link set packet0 up']);
    return testpmd('dpdk-af-packet', 'packet1', 'net_af_packet0,iface=packet0');
  },
];
