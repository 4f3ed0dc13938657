// The switch as a process of its own, with ports of this one connected to it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type VirtioUserOptions, type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { type NetPort, openPort } from '@vio/net';
import { FrontendDevice, VhostUserFrontend } from '@vio/vhost';
import { broadcast, frame, macOf } from '@vio/test-support';
import { PortEndpoint } from '../support/endpoint.ts';

/** The example. */
export const program = fileURLToPath(new URL('../../examples/l2-switch/dist/main.js', import.meta.url));

/** A switch with hosts on its ports. */
export class Network {
  readonly directory = mkdtempSync(join(tmpdir(), 'vio-switch-'));
  readonly #hosts = new Map<number, PortEndpoint>();
  readonly #ports: VirtioUserPort[] = [];
  readonly #arrived: (NetPort & AsyncDisposable)[] = [];
  readonly sockets: string[];
  readonly #options: readonly string[];
  #process: ChildProcess | undefined;
  /** What the switch has printed. */
  said = '';

  /** @param options of the switch; one that ends with `--uplink` makes an uplink of the last port */
  constructor(ports: number, options: readonly string[] = []) {
    this.sockets = Array.from({ length: ports }, (_, i) => join(this.directory, `${i}.sock`));
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.startSwitch();
    for (const i of this.sockets.keys()) await this.connect(i);
  }

  async startSwitch(): Promise<void> {
    const last = this.sockets.at(-1) ?? '';
    const places = this.#options.at(-1) === '--uplink' ? [last, ...this.sockets.slice(0, -1)] : this.sockets;
    const child = spawn(process.execPath, [program, ...this.#options, ...places], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#process = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.said += text));
    await once(child.stdout, 'data');
  }

  async connect(host: number, options: Partial<VirtioUserOptions> = {}): Promise<VirtioUserPort> {
    const port = await openVirtioUser({ path: this.sockets[host], ...options });
    this.#ports[host] = port;
    this.#hosts.set(host, new PortEndpoint(port));
    return port;
  }

  /** A port whose frontend the test has as well, as QEMU's is for a guest that arrives. `whoHears` does not listen there. */
  async arrive(host: number, mac: string): Promise<{ frontend: VhostUserFrontend; endpoint: PortEndpoint }> {
    const frontend = await VhostUserFrontend.connect(this.sockets[host]);
    const port = await openPort(new FrontendDevice(frontend), { mac });
    this.#arrived.push(port);
    return { frontend, endpoint: new PortEndpoint(port) };
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

  send(sender: number, sent: Uint8Array): void {
    if (!this.trySend(sender, sent)) throw new Error('the ring is full');
  }

  /** @returns false when the ring is full */
  trySend(sender: number, sent: Uint8Array): boolean {
    return this.#hosts.get(sender)?.send(0, [sent]) === 1;
  }

  received(host: number): Uint8Array[] {
    return this.#hosts.get(host)?.receive(0) ?? [];
  }

  /** Listens until a frame comes, or another one that ends the wait. @returns whether it was the first */
  async hears(host: number, sent: Uint8Array, end = sent): Promise<boolean> {
    let heard = false;
    for (;;) {
      for (const received of this.received(host)) {
        heard ||= Buffer.compare(received, sent) === 0;
        if (Buffer.compare(received, end) === 0) return heard;
      }
      await turn();
    }
  }

  /** Of the switch. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Device features that the switch offers to a host. */
  async offered(host: number): Promise<bigint> {
    const frontend = await VhostUserFrontend.connect(this.sockets[host]);
    const features = await frontend.getFeatures();
    frontend.close();
    return features;
  }

  /** Waits until the switch has printed something. @returns what it has printed */
  async says(what: RegExp): Promise<string> {
    while (!what.test(this.said)) await turn();
    return this.said;
  }

  /** Ends the switch as a user does. @returns exit code and output */
  async stop(): Promise<{ code: unknown; said: string }> {
    for (const port of this.#ports) await port?.close();
    for (const port of this.#arrived) await port[Symbol.asyncDispose]();
    const child = this.#process;
    if (child === undefined || child.exitCode !== null) return { code: null, said: '' };
    const before = this.said.length;
    child.kill('SIGINT');
    const [code] = await once(child, 'close');
    return { code, said: this.said.slice(before) };
  }
}
