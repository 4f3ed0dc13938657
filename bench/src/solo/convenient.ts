// Frames for those who never heard of bursts: the port's convenient calls, beside what one would otherwise take in Node. Both
// ends are in this process and share its core, the other end's work is part of the time, and frames are counted where they arrive.
import { type Socket as UdpSocket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { PacketBurst } from '@vio/net';
import { deviceLoops } from '../own/loops.ts';
import { median } from '../statistics.ts';
import { type Pair, openPair } from './pair.ts';

export interface Convenient {
  readonly name: string;
  /** Million frames a second, median of samples. */
  readonly mpps: number;
}

const length = 64;
/** Frames between two looks at the other end: fewer than any ring, socket buffer or queue in between holds. */
const chunk = 128;
const frames: readonly Uint8Array[] = Array.from({ length: chunk }, () => new Uint8Array(length).fill(0x5a));

/** Moves `chunk` frames from one end to the other. */
type Move = () => Promise<void>;

/** @param milliseconds of each sample */
export async function convenientWays(samples: number, milliseconds: number): Promise<Convenient[]> {
  const results: Convenient[] = [];
  for (const [name, open] of Object.entries(ways)) {
    await using way = await open();
    await during(way.move, milliseconds);
    const rates: number[] = [];
    for (let i = 0; i < samples; i++) rates.push(await during(way.move, milliseconds));
    results.push({ name, mpps: median(rates) });
  }
  return results;
}

async function during(move: Move, milliseconds: number): Promise<number> {
  const begin = performance.now();
  let moved = 0;
  let passed = 0;
  while ((passed = performance.now() - begin) < milliseconds) {
    await move();
    moved += chunk;
  }
  return moved / passed / 1000;
}

interface Way extends AsyncDisposable {
  readonly move: Move;
}

const ways: Readonly<Record<string, () => Promise<Way>>> = {
  'port.send': () =>
    sending(({ port }) => async () => {
      for (const frame of frames) await port.send(frame);
    }),
  'port.trySend': () =>
    sending(({ port }) => async () => {
      for (const frame of frames) port.trySend(frame);
    }),
  'port.sendMany': () =>
    sending(
      ({ port }) =>
        () =>
          port.sendMany(frames),
    ),
  'port.packets': () =>
    receiving(
      ({ port }) => port.packets(),
      () => 1,
    ),
  'port.batches': () =>
    receiving(
      ({ port }) => port.batches(),
      (batch) => batch.length,
    ),
  'UDP on loopback (node:dgram)': udp,
  'Unix stream, two bytes of length before each frame (node:net)': unixStream,
  'MessageChannel (node:worker_threads)': messages,
};

async function sending(moveOf: (pair: Pair) => Move): Promise<Way> {
  const pair = await openPair('mrg_rxbuf=1,in_order=0');
  const drain = deviceLoops.rxonly(pair.device, pair.pool, length);
  const send = moveOf(pair);
  return {
    async move() {
      await send();
      for (let left = chunk; left > 0;) left -= drain(1);
    },
    [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose](),
  };
}

async function receiving<T>(
  open: (pair: Pair) => AsyncGenerator<T, void, undefined>,
  countOf: (value: T) => number,
): Promise<Way> {
  const pair = await openPair('mrg_rxbuf=1,in_order=0');
  const { device, pool } = pair;
  const burst = new PacketBurst(32);
  const arriving = open(pair);
  return {
    async move() {
      for (let given = 0; given < chunk;) {
        burst.allocate(pool, 32, length);
        given += device.enqueueBurst(0, burst, 0, burst.count);
        burst.release();
      }
      for (let left = chunk; left > 0;) {
        const { value, done } = await arriving.next();
        if (done === true) throw new Error('the port went away');
        left -= countOf(value);
      }
    },
    async [Symbol.asyncDispose]() {
      await arriving.return();
      await pair[Symbol.asyncDispose]();
    },
  };
}

/** What came by events. */
class Arrivals {
  #waiting = 0;

  count(n: number): void {
    this.#waiting += n;
  }

  /** Lets the event loop run until `n` more have arrived. */
  async of(n: number): Promise<void> {
    while (this.#waiting < n) await turn();
    this.#waiting -= n;
  }
}

async function udp(): Promise<Way> {
  const bound = async (): Promise<UdpSocket> => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return socket;
  };
  const [sender, receiver] = await Promise.all([bound(), bound()]);
  const { port } = receiver.address();
  const arrivals = new Arrivals();
  receiver.on('message', () => arrivals.count(1));
  return {
    async move() {
      for (const frame of frames) sender.send(frame, port, '127.0.0.1');
      await arrivals.of(chunk);
    },
    async [Symbol.asyncDispose]() {
      sender.close();
      receiver.close();
    },
  };
}

async function unixStream(): Promise<Way> {
  const directory = mkdtempSync(join(tmpdir(), 'vio-bench-'));
  const path = join(directory, 'stream.sock');
  const arrivals = new Arrivals();
  let rest: Buffer = Buffer.alloc(0);
  const server = createServer((socket) => {
    socket.on('data', (data: Buffer) => {
      rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        rest = rest.subarray(2 + rest.readUInt16BE(0));
        arrivals.count(1);
      }
    });
  }).listen(path);
  await once(server, 'listening');
  const client = createConnection(path);
  await once(client, 'connect');
  const header = Buffer.from([length >> 8, length & 255]);
  return {
    async move() {
      client.cork();
      for (const frame of frames) {
        client.write(header);
        client.write(frame);
      }
      client.uncork();
      await arrivals.of(chunk);
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      await new Promise((closed) => server.close(closed));
      rmSync(directory, { recursive: true });
    },
  };
}

async function messages(): Promise<Way> {
  const { port1, port2 } = new MessageChannel();
  const arrivals = new Arrivals();
  port2.on('message', () => arrivals.count(1));
  return {
    async move() {
      for (const frame of frames) port1.postMessage(frame);
      await arrivals.of(chunk);
    },
    async [Symbol.asyncDispose]() {
      port1.close();
    },
  };
}
