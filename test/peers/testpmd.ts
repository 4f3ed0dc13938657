import { allowedCpus } from '../support/cpus.ts';
import { filePrefix, preflight, removeFiles } from './preflight.ts';
import { testpmdProgram } from './program.ts';
import { PtyProcess } from './pty-process.ts';
import { type PortStats, parsePortStats, parseXstats } from './testpmd-stats.ts';

export type ForwardMode = 'io' | 'macswap' | 'rxonly' | 'txonly' | 'flowgen';

export interface TestpmdOptions {
  /** `--vdev` arguments, one for each port; see `netVhost` and `netVirtioUser`. */
  readonly vdevs: readonly string[];
  readonly queues?: number;
  /** CPU of the core that forwards, default the last one this process may use. */
  readonly forwardCpu?: number;
  /** CPU of the core that sits at the prompt, default the first one. */
  readonly promptCpu?: number;
  readonly forwardMode?: ForwardMode;
  /** Hugepages in MiB, default 256. */
  readonly memory?: number;
  /** Packet buffers, default 16384. */
  readonly mbufs?: number;
  /** Frame length in bytes that `txonly` generates, default 64. */
  readonly txPacketBytes?: number;
  /** `--force-max-simd-bitwidth`: 512 lets the vectorised paths of virtio-user be chosen. */
  readonly simdBits?: 512;
  /** More arguments behind `--`. */
  readonly extra?: readonly string[];
  /** Milliseconds a start or a command may take, default 20 000. */
  readonly timeout?: number;
}

const prompt = 'testpmd> ';
let serial = 0;

/**
 * DPDK's testpmd, driven at its prompt.
 *
 * Frames over 2 KiB need nothing of the vhost side: it chains mbufs of its default size. The virtio-user side asks
 * for permission: `--max-pkt-len` and `--enable-scatter` (`jumboArguments`), else the port refuses to start.
 */
export class Testpmd {
  readonly prefix: string;
  /** The command line, to be repeated by hand. */
  readonly command: readonly string[];
  readonly #pty: PtyProcess;
  readonly #timeout: number;

  private constructor(options: TestpmdOptions) {
    this.prefix = filePrefix(serial++);
    this.command = testpmdCommand(options, this.prefix);
    this.#timeout = options.timeout ?? 20_000;
    this.#pty = new PtyProcess(this.command);
  }

  /** Resolves at the first prompt. @throws Error with testpmd's own words when it does not get there */
  static async start(options: TestpmdOptions): Promise<Testpmd> {
    preflight(options.memory ?? defaultMemory);
    const testpmd = new Testpmd(options);
    try {
      await testpmd.#promptAfter(0, 'the first prompt');
      return testpmd;
    } catch (error) {
      await testpmd.kill();
      throw error;
    }
  }

  /** Everything it printed. */
  get log(): string {
    return this.#pty.output;
  }

  /** The end of the log, for error messages. */
  get lastWords(): string {
    return `${this.command.join(' ')}\n${this.log.slice(-3000)}`;
  }

  /** Types a command. @returns what testpmd printed for it */
  async run(text: string): Promise<string> {
    const from = this.log.length;
    this.#pty.write(`${text}\n`);
    await this.#promptAfter(from, text);
    const words = withoutEvents(this.log.slice(from));
    const printed = words.slice(0, words.lastIndexOf(prompt));
    if (/Command not found|Bad arguments|Ambiguous command/.test(printed))
      throw new Error(`testpmd: ${printed}`);
    return printed;
  }

  /** Forwards in this mode from now on, with all counters at 0; a forwarding that runs is stopped first. */
  async forward(mode: ForwardMode): Promise<void> {
    await this.run('stop');
    // Not while it forwards: the polling core would write the old counts back.
    await this.run('clear port stats all');
    await this.run(`set fwd ${mode}`);
    await this.run('start');
  }

  async stop(): Promise<void> {
    await this.run('stop');
  }

  async stats(port = 0): Promise<PortStats> {
    return parsePortStats(await this.run(`show port stats ${port}`));
  }

  async xstats(port = 0): Promise<Map<string, number>> {
    return parseXstats(await this.run(`show port xstats ${port}`));
  }

  /** Waits for words in the log. */
  async said(pattern: RegExp, timeout = this.#timeout): Promise<void> {
    await this.#pty.until(() => pattern.test(this.log), timeout);
    if (!pattern.test(this.log)) throw new Error(`testpmd did not say ${String(pattern)}\n${this.lastWords}`);
  }

  /** Leaves by `quit`, or is killed when it does not. */
  async quit(): Promise<void> {
    this.#pty.write('stop\nquit\n');
    if (!(await this.#pty.until(() => this.#pty.exit !== undefined, this.#timeout))) await this.kill();
    removeFiles(this.prefix);
  }

  /**
   * Ends it by SIGKILL: it puts nothing in order. What a supervisor would do is done here (its hugepages), and by the caller
   * (the socket it listened on).
   */
  async kill(): Promise<void> {
    this.#pty.kill();
    if (!(await this.#pty.until(() => this.#pty.exit !== undefined, this.#timeout)))
      throw new Error(`testpmd outlived SIGKILL\n${this.lastWords}`);
    removeFiles(this.prefix);
  }

  /** How it ended, as a shell says it (`code 137` is SIGKILL); undefined while it runs. */
  get exit(): string | undefined {
    return this.#pty.exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.quit();
  }

  async #promptAfter(from: number, what: string): Promise<void> {
    // Not at the end: what other threads log comes behind it.
    const prompted = (): boolean => withoutEvents(this.log.slice(from)).includes(prompt);
    const inTime = await this.#pty.until(prompted, this.#timeout);
    if (this.#pty.exit !== undefined)
      throw new Error(`testpmd ended (${this.#pty.exit}) at ${what}\n${this.lastWords}`);
    if (!inTime)
      throw new Error(`testpmd did not answer to ${what} in ${this.#timeout} ms\n${this.lastWords}`);
  }
}

/** The prompt is printed letter by letter, and other threads log lines in between. */
function withoutEvents(text: string): string {
  return text.replaceAll(/VHOST_\w+: .*\n|\nPort \d+: [a-z ]+ event\n/g, '');
}

const defaultMemory = 256;

/** What makes the virtio-user side take frames of up to 9000 bytes. */
export const jumboArguments = ['--max-pkt-len=9018', '--enable-scatter'] as const;

/** The backend. `client: true` connects to a socket that the frontend listens on; `port` is the port's number. */
export function netVhost(
  socket: string,
  queues: number,
  options: { client?: boolean; port?: number } = {},
): string {
  return `net_vhost${options.port ?? 0},iface=${socket},queues=${queues}${options.client === true ? ',client=1' : ''}`;
}

/** The frontend. `devargs` as in a golden row, for example `mrg_rxbuf=1,in_order=0`. */
export function netVirtioUser(
  socket: string,
  queues: number,
  devargs: string,
  options: { server?: boolean; queueSize?: number; port?: number } = {},
): string {
  const server = options.server === true ? ',server=1' : '';
  const common = `path=${socket},queues=${queues},queue_size=${options.queueSize ?? 256}`;
  return `net_virtio_user${options.port ?? 0},${common},${devargs}${server}`;
}

/** Runs something that involves testpmd; when it fails, testpmd's last words join the message. @param what it was */
export async function withLog<T>(testpmd: Testpmd, action: () => Promise<T>, what = ''): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${what}${what === '' ? '' : ': '}${message}\n${testpmd.lastWords}`, { cause: error });
  }
}

function testpmdCommand(options: TestpmdOptions, prefix: string): string[] {
  const queues = String(options.queues ?? 1);
  const cpus = allowedCpus();
  const promptCpu = options.promptCpu ?? cpus[0];
  const forwardCpu = options.forwardCpu ?? cpus[cpus.length - 1];
  return [
    testpmdProgram,
    `--lcores=0@${promptCpu},1@${forwardCpu}`,
    '--main-lcore=0',
    '--no-pci',
    `--file-prefix=${prefix}`,
    '--no-telemetry',
    '--single-file-segments',
    `-m`,
    String(options.memory ?? defaultMemory),
    '--log-level=pmd.net.virtio.init:info',
    ...options.vdevs.map((vdev) => `--vdev=${vdev}`),
    ...(options.simdBits === undefined ? [] : [`--force-max-simd-bitwidth=${options.simdBits}`]),
    '--',
    '-i',
    `--forward-mode=${options.forwardMode ?? 'io'}`,
    '--nb-cores=1',
    `--rxq=${queues}`,
    `--txq=${queues}`,
    `--total-num-mbufs=${options.mbufs ?? 16_384}`,
    ...(options.txPacketBytes === undefined ? [] : [`--txpkts=${options.txPacketBytes}`]),
    ...(options.extra ?? []),
  ];
}
