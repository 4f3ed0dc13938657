import { type Server, type Socket, createServer } from 'node:net';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { hostAddress, port } from './plan.ts';

/** Bytes that repeat after so many that no page, packet or buffer has them twice in the same place. */
const pattern = Buffer.from(Uint8Array.from({ length: 65_521 }, (_, i) => (i * i + (i >> 5)) & 0xff));
const chunkBytes = 32_768;
/** Milliseconds between chunks: a guest without acceleration has other things to do. */
const pace = 15;

/** A TCP transfer to the guest, which sends everything back, and what comes back of it. */
export class Transfer {
  sent = 0;
  back = 0;
  wrong = false;
  readonly #servers: readonly [Server, Server];
  #ending = false;
  readonly #done: Promise<void>;

  constructor() {
    let finish = (): void => {};
    this.#done = new Promise((resolve) => (finish = resolve));
    // The guest has nothing to say there.
    const to = createServer({ allowHalfOpen: true }, (socket) => void this.#send(socket));
    const back = createServer((socket) => {
      socket.on('data', (bytes) => this.#take(bytes));
      socket.on('end', () => {
        socket.end();
        finish();
      });
    });
    this.#servers = [to.listen(port.to, hostAddress), back.listen(port.back, hostAddress)];
  }

  /** Waits until some bytes more have come back. */
  async goesOn(): Promise<void> {
    const before = this.back;
    while (this.back < before + 2 * chunkBytes) await wait(20);
  }

  /** Sends no more, and waits for what is on the way. */
  async end(): Promise<void> {
    this.#ending = true;
    await this.#done;
    for (const server of this.#servers) server.close();
  }

  async #send(socket: Socket): Promise<void> {
    socket.on('error', () => {});
    while (!this.#ending) {
      const at = this.sent % pattern.length;
      const bytes = pattern.subarray(at, at + chunkBytes);
      this.sent += bytes.length;
      if (!socket.write(bytes)) await once(socket, 'drain');
      await wait(pace);
    }
    socket.end();
  }

  #take(bytes: Buffer): void {
    for (let done = 0; done < bytes.length;) {
      const at = this.back % pattern.length;
      const part = Math.min(bytes.length - done, pattern.length - at);
      if (!bytes.subarray(done, done + part).equals(pattern.subarray(at, at + part))) this.wrong = true;
      done += part;
      this.back += part;
    }
  }
}
