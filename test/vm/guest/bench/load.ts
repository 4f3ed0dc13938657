// Frames from the kernel as fast as it makes them: pktgen.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { until } from '@vio/test-support/plain';

export class Load {
  readonly #running: ChildProcess;

  /** @param name of the interface they leave by */
  static async start(name: string, length: number): Promise<Load> {
    const thread = '/proc/net/pktgen/kpktgend_0';
    writeFileSync(thread, 'rem_device_all');
    // The kernel's thread takes the last device away in its own time, and nobody may have one that it is about to take.
    await until(() => /Running:\s*Stopped:\s*(Result:|$)/.test(readFileSync(thread, 'utf8')));
    writeFileSync(thread, `add_device ${name}`);
    for (const line of ['count 0', 'clone_skb 0', `pkt_size ${length}`, 'dst_mac 02:00:00:00:00:01']) {
      writeFileSync(`/proc/net/pktgen/${name}`, line);
    }
    // It runs until somebody writes something else.
    return new Load(spawn('sh', ['-c', 'echo start > /proc/net/pktgen/pgctrl']));
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
