// Frames from the kernel as fast as it makes them: pktgen.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';

export class Load {
  readonly #running: ChildProcess;

  /** @param name of the interface they leave by */
  static async start(name: string, length: number): Promise<Load> {
    const thread = '/proc/net/pktgen/kpktgend_0';
    writeFileSync(thread, 'rem_device_all');
    writeFileSync(thread, `add_device ${name}`);
    for (const line of ['count 0', 'clone_skb 0', `pkt_size ${length}`, 'dst_mac 02:00:00:00:00:01']) {
      writeFileSync(`/proc/net/pktgen/${name}`, line);
    }
    // It runs until somebody writes something else.
    return Promise.resolve(new Load(spawn('sh', ['-c', 'echo start > /proc/net/pktgen/pgctrl'])));
  }

  private constructor(running: ChildProcess) {
    this.#running = running;
  }

  async stop(): Promise<void> {
    const exit = once(this.#running, 'exit', { signal: AbortSignal.timeout(60_000) });
    this.#running.kill('SIGINT');
    writeFileSync('/proc/net/pktgen/pgctrl', 'stop\n');
    await exit;
  }
}
