// What the example measures: packets per second with full rings, and the time of one frame there and back.
import { type NetPort, PacketBurst } from '@vio/net';

const frameBytes = 60;

/** Takes buffers and writes a frame into each: addresses, an experimental EtherType and a sequence number. */
function prepare(port: NetPort, burst: PacketBurst, count: number, sequence: number): void {
  const { i32 } = port.pool.region;
  burst.allocate(port.pool, count, frameBytes);
  for (let i = 0; i < burst.count; i++) {
    const word = burst.offset[i] >>> 2;
    i32[word] = 0x0000_0002; // to 02:00:00:00:00:02
    i32[word + 1] = 0x0002_0200;
    i32[word + 2] = 0x0100_0000; // from 02:00:00:00:00:01
    i32[word + 3] = 0x0000_b588; // EtherType 0x88b5
    i32[word + 4] = sequence + i;
  }
}

export interface Throughput {
  readonly sent: number;
  readonly received: number;
  /** Packets per second. */
  readonly txPps: number;
  readonly rxPps: number;
}

/** Sends as fast as the ring takes frames, for `milliseconds`, and receives what comes back. */
export async function measureThroughput(port: NetPort, milliseconds: number): Promise<Throughput> {
  const [rx] = port.rx;
  const [tx] = port.tx;
  const out = new PacketBurst(32);
  const back = new PacketBurst(32);
  let sent = 0;
  let received = 0;
  const begin = performance.now();
  let now = begin;
  while (now - begin < milliseconds) {
    for (let i = 0; i < 200; i++) {
      prepare(port, out, 32, sent);
      const taken = tx.send(out);
      out.release(taken);
      sent += taken;
      received += rx.receive(back);
      back.release();
    }
    // Link events and signals get their turn.
    await new Promise((resolve) => setImmediate(resolve));
    now = performance.now();
  }
  const seconds = (now - begin) / 1000;
  return { sent, received, txPps: sent / seconds, rxPps: received / seconds };
}

/** Lets frames still under way arrive. */
export async function drain(port: NetPort, milliseconds: number): Promise<void> {
  const burst = new PacketBurst(32);
  for (const end = performance.now() + milliseconds; performance.now() < end;) {
    while (port.rx[0].receive(burst) > 0) burst.release();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Round trips of single frames, as many as there is time for, sorted, in microseconds. */
export function measureLatency(port: NetPort, roundTrips: number, milliseconds: number): Float64Array {
  const [rx] = port.rx;
  const [tx] = port.tx;
  const burst = new PacketBurst(1);
  const times = new Float64Array(roundTrips);
  const end = performance.now() + milliseconds;
  let done = 0;
  while (done < roundTrips) {
    const begin = performance.now();
    if (begin > end && done > 0) break;
    prepare(port, burst, 1, done);
    tx.send(burst);
    while (rx.receive(burst) === 0) {
      if (performance.now() - begin > 1000) throw new Error('a frame did not come back within a second');
    }
    times[done++] = (performance.now() - begin) * 1000;
    burst.release();
  }
  return times.subarray(0, done).toSorted();
}

export function percentile(sorted: Float64Array, p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))];
}
