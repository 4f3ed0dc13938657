// What Node has for packets between two programs, without anything to install.
import { type Socket as UdpSocket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Arrivals, type Way, type Ways, chunk, frames, length } from './way.ts';

export const nodeWays: Ways = {
  'UDP on loopback (node:dgram)': udp,
  'Unix stream, two bytes of length before each frame (node:net)': unixStream,
  'MessageChannel of a worker (node:worker_threads)': messages,
};

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

/** The worker counts frames, and says so once for every chunk. */
const counter = `
  const { parentPort } = require('node:worker_threads');
  let arrived = 0;
  parentPort.on('message', () => {
    if (++arrived % ${chunk} === 0) parentPort.postMessage('all');
  });
`;

async function messages(): Promise<Way> {
  const worker = new Worker(counter, { eval: true });
  await once(worker, 'online');
  return {
    async move() {
      const arrived = once(worker, 'message');
      for (const frame of frames) worker.postMessage(frame);
      await arrived;
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}
