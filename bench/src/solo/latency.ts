// How long a frame is on its way there and back, at a part of the rate that can be: our backend, polling in this process, sends
// bursts at their time to a port that sends back what comes. The backend is the same for both ports, and so is the rate.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuAffinity, setCpuAffinity } from '@vio/native';
import { PacketBurst } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import type { GoldenRow } from '@vio/test/golden-rows';
import { netVirtioUser } from '@vio/test/testpmd';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import type { Cpus } from '../compare.ts';
import { type Contender, OwnContender, TestpmdContender } from '../contender.ts';
import { Histogram } from './histogram.ts';

export interface Latency {
  readonly row: string;
  readonly name: 'ours' | 'DPDK';
  /** Frames of a burst. */
  readonly burst: number;
  /** Percent of the greatest rate at which the slower of the two sends such bursts back. */
  readonly load: number;
  /** Million frames a second that were asked for. */
  readonly mpps: number;
  /** Microseconds, from the time a burst was due to the arrival of its last frame. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

export const latencyLoads = [10, 50, 90] as const;
export const latencyBursts = [1, 32] as const;

const length = 64;
/** Frames on the way at most: fewer than any ring on the way has room for, so that none is lost. */
const mostInFlight = 128;
const settleMilliseconds = 100;
/** Milliseconds without a frame after which something is wrong. */
const patience = 5000;

/** @param rounds of windows for each contender in turn @param milliseconds of each window */
export async function latencies(
  row: GoldenRow,
  rounds: number,
  milliseconds: number,
  cpus: Cpus,
): Promise<Latency[]> {
  const directory = mkdtempSync(join(tmpdir(), 'vio-latency-'));
  const affinity = cpuAffinity();
  const links: Link[] = [];
  try {
    for (const name of ['ours', 'DPDK'] as const) {
      links.push(await Link.open(name, join(directory, `${name}.sock`), row, cpus));
    }
    // The children have CPUs of their own by now.
    setCpuAffinity([cpus.common]);
    const results: Latency[] = [];
    for (const burst of latencyBursts)
      results.push(...(await atLoads(row.name, links, burst, rounds, milliseconds)));
    return results;
  } finally {
    setCpuAffinity(affinity);
    for (const link of links) await link.close();
    rmSync(directory, { recursive: true });
  }
}

async function atLoads(
  row: string,
  links: readonly Link[],
  burst: number,
  rounds: number,
  milliseconds: number,
): Promise<Latency[]> {
  const greatest: number[] = [];
  for (const link of links) greatest.push(await link.running(() => link.greatestRate(burst, milliseconds)));
  const rate = Math.min(...greatest);
  const results: Latency[] = [];
  for (const load of latencyLoads) {
    const times = links.map(() => new Histogram());
    for (let round = 0; round < rounds; round++) {
      const order = [...links.keys()];
      for (const i of round % 2 === 0 ? order : order.toReversed()) {
        const link = links[i];
        const window = await link.running(() => link.paced(burst, (rate * load) / 100, milliseconds));
        times[i].merge(window);
      }
    }
    for (const [i, { name }] of links.entries()) {
      const [p50, p99, p999] = [0.5, 0.99, 0.999].map((share) => times[i].percentile(share) * 1000);
      results.push({ row, name, burst, load, mpps: (rate * load) / 1e5, p50, p99, p999 });
    }
  }
  return results;
}

/** A port that sends back what comes, and the backend's end of its rings. */
class Link {
  readonly name: Latency['name'];
  readonly #driver: VhostDriver;
  readonly #device: VhostDevice;
  readonly #contender: Contender;
  readonly #pool = privatePool();
  readonly #out = new PacketBurst(32);
  readonly #back = new PacketBurst(32);

  private constructor(name: Latency['name'], driver: VhostDriver, device: VhostDevice, contender: Contender) {
    this.name = name;
    this.#driver = driver;
    this.#device = device;
    this.#contender = contender;
  }

  static async open(name: Latency['name'], socket: string, row: GoldenRow, cpus: Cpus): Promise<Link> {
    const driver = VhostDriver.register(socket);
    const appeared = new Promise<VhostDevice>((newDevice) => driver.callbacks({ newDevice }));
    await driver.start();
    const contender =
      name === 'ours'
        ? await OwnContender.openFrontend(
            `net_virtio_user0,path=${socket},queues=1,queue_size=256,${row.devargs}`,
            cpus.contender,
          )
        : await TestpmdContender.open({
            vdevs: [netVirtioUser(socket, 1, row.devargs)],
            promptCpu: cpus.prompt,
            forwardCpu: cpus.contender,
          });
    return new Link(name, driver, await appeared, contender);
  }

  /** Has the port send back what comes while something is measured. */
  async running<T>(measure: () => T): Promise<T> {
    await this.#contender.start('io', length);
    try {
      this.paced(32, 100, settleMilliseconds);
      return measure();
    } finally {
      await this.#contender.stop();
    }
  }

  /** @returns frames a millisecond, with as many bursts on the way as there may be */
  greatestRate(burst: number, milliseconds: number): number {
    const begin = performance.now();
    const times = this.paced(burst, Infinity, milliseconds);
    return (times.count * burst) / (performance.now() - begin);
  }

  /** @param rate frames a millisecond @returns times of bursts, from when they were due */
  paced(burst: number, rate: number, milliseconds: number): Histogram {
    const times = new Histogram();
    const due = new Float64Array(mostInFlight);
    const interval = burst / rate;
    let sent = 0;
    let arrived = 0;
    let now = performance.now();
    let next = now;
    let heard = now;
    const end = now + milliseconds;
    while (now < end || arrived < sent) {
      const latest = now < end ? now : -Infinity;
      while (next <= latest && sent + burst - arrived <= mostInFlight) {
        this.#send(burst);
        due[(sent / burst) % mostInFlight] = interval === 0 ? now : next;
        sent += burst;
        next += interval;
      }
      const got = this.#take();
      now = performance.now();
      if (got > 0) heard = now;
      else if (now - heard > patience)
        throw new Error(`${this.name}: ${sent - arrived} frames did not come back`);
      const before = Math.floor(arrived / burst);
      arrived += got;
      const whole = Math.floor(arrived / burst);
      for (let k = before; k < whole; k++) times.add(now - due[k % mostInFlight]);
    }
    return times;
  }

  /** There is room for all of it. */
  #send(burst: number): void {
    const out = this.#out;
    out.allocate(this.#pool, burst, length);
    for (let from = 0; from < burst;) from += this.#device.enqueueBurst(0, out, from, burst - from);
    out.release();
  }

  #take(): number {
    const taken = this.#device.dequeueBurst(1, this.#pool, this.#back);
    this.#back.release();
    return taken;
  }

  async close(): Promise<void> {
    await this.#contender.close();
    await this.#driver.close();
  }
}
