// The example crypto-offload, in a process of its own, against a frontend and a driver that say what they are told.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { EventFd, SharedMemory, UnixStream } from '@vio/native';
import { MemoryMap, Region } from '@vio/rings';
import { ScriptedDriver } from '@vio/rings/testing';
import {
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_CRYPTO_SESSION,
  virtioCrypto,
  wire,
} from '@vio/vhost';
import { cryptoSession, cryptoSessionReply } from '@vio/vhost/internal';
import { ScriptedFrontend } from '@vio/vhost/testing';
import { encrypted, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';

const main = join(import.meta.dirname, '../../examples/crypto-offload/dist/main.js');
const requests = wire.frontendRequests;
const memoryBytes = 1 << 20;
const guestAddress = 0x1_0000_0000;
const userAddress = 0x7f00_0000_0000;
const key = Buffer.alloc(32, 0x4b);
const iv = Buffer.alloc(16, 0x17);

/** A driver as QEMU's cryptodev-vhost-user shows it to a backend: it accepts nothing, and enables nothing. */
class Guest implements Disposable {
  readonly frontend: ScriptedFrontend;
  readonly driver: ScriptedDriver;
  readonly #memory = SharedMemory.create({ size: memoryBytes, name: 'vio-test-crypto' });
  readonly #kick = EventFd.create();
  readonly #call = EventFd.create();

  constructor(stream: UnixStream) {
    this.frontend = new ScriptedFrontend(stream);
    const region = new Region(this.#memory.buffer, 0, memoryBytes);
    this.driver = new ScriptedDriver({
      memory: new MemoryMap([{ region, guestAddress, userAddress, size: memoryBytes }]),
      size: 64,
      features: { format: 'split', inOrder: false, indirect: true, eventIdx: true },
    });
  }

  static async connect(socket: string): Promise<Guest> {
    const guest = new Guest(await UnixStream.connect(socket));
    await guest.#start();
    return guest;
  }

  async #start(): Promise<void> {
    const { frontend } = this;
    await frontend.ask(requests.GET_FEATURES, undefined);
    await frontend.send(requests.SET_PROTOCOL_FEATURES, VHOST_USER_PROTOCOL_F_CRYPTO_SESSION);
    await frontend.send(requests.SET_FEATURES, VHOST_USER_F_PROTOCOL_FEATURES);
    const region = { guestAddress, userAddress, size: memoryBytes, mmapOffset: 0 };
    await frontend.send(requests.SET_MEM_TABLE, [region], { fds: [this.#memory.fd] });
    await frontend.send(requests.SET_VRING_NUM, { index: 0, value: this.driver.size });
    await frontend.send(requests.SET_VRING_BASE, { index: 0, value: 0 });
    const { descriptors, driver, device } = this.driver.addresses;
    await frontend.send(requests.SET_VRING_ADDR, {
      index: 0,
      flags: 0,
      descriptors: userAddress + descriptors.offset,
      driver: userAddress + driver.offset,
      device: userAddress + device.offset,
      log: 0,
    });
    await frontend.send(requests.SET_VRING_CALL, { index: 0, hasFd: true }, { fds: [this.#call.fd] });
    await frontend.send(requests.SET_VRING_KICK, { index: 0, hasFd: true }, { fds: [this.#kick.fd] });
  }

  /** Opens a session of AES-256-CBC that encrypts, as QEMU 7.2 says it. @returns its number */
  async open(): Promise<number> {
    const session = {
      algorithm: virtioCrypto.VIRTIO_CRYPTO_CIPHER_AES_CBC,
      key,
      hashAlgorithm: 0,
      authKey: new Uint8Array(0),
      hashResultBytes: 0,
      aadBytes: 0,
      opType: virtioCrypto.VIRTIO_CRYPTO_SYM_OP_CIPHER,
      direction: virtioCrypto.VIRTIO_CRYPTO_OP_ENCRYPT,
      hashMode: 0,
      chainOrder: 0,
    };
    const opcode = virtioCrypto.VIRTIO_CRYPTO_CIPHER_CREATE_SESSION;
    const payload = cryptoSession.encode({ layout: 'qemu-7.1', opcode, session }, 'test');
    const reply = await this.frontend.ask(requests.CREATE_CRYPTO_SESSION, payload);
    return cryptoSessionReply.decode(reply ?? new Uint8Array(0), 'test').id;
  }

  /** Has data encrypted in place. @returns it, and the status */
  async encrypt(session: number, data: Uint8Array): Promise<{ status: number; data: Buffer }> {
    const { memory } = this.driver;
    const head = new DataView(new ArrayBuffer(72));
    head.setUint32(8, session, true);
    [iv.length, data.length, data.length].forEach((length, i) => head.setUint32(24 + 4 * i, length, true));
    head.setUint32(64, virtioCrypto.VIRTIO_CRYPTO_SYM_OP_CIPHER, true);
    const at = memory.put(data);
    const status = memory.put(Uint8Array.of(0xee));
    this.driver.expose([
      {
        table: [
          { address: memory.put(new Uint8Array(head.buffer)), length: 72 },
          { address: memory.put(iv), length: iv.length },
          { address: at, length: data.length },
          { address: at, length: data.length, writable: true },
          { address: status, length: 1, writable: true },
        ],
      },
    ]);
    if (this.driver.kickWanted()) this.#kick.signal();
    await until(() => this.#call.drain());
    const used = this.driver.used().length;
    if (used !== 1) throw new Error(`${used} requests came back`);
    return { status: memory.read(status, 1)[0], data: Buffer.from(memory.read(at, data.length)) };
  }

  [Symbol.dispose](): void {
    this.frontend.close();
    this.#memory.close();
    this.#kick.close();
    this.#call.close();
  }
}

/** The program on a socket. `await using` it. */
class Program implements AsyncDisposable {
  readonly socket: string;
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly lines: string[] = [];

  private constructor(directory: string, args: readonly string[]) {
    this.#directory = directory;
    this.socket = join(directory, 'crypto.sock');
    this.#child = spawn(process.execPath, [main, ...args, this.socket], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  static async start(...args: string[]): Promise<Program> {
    const program = new Program(mkdtempSync(join(tmpdir(), 'vio-crypto-')), args);
    const { stdout } = program.#child;
    if (stdout === null) throw new Error('the program has no output');
    const lines = createInterface(stdout);
    lines.on('line', (line) => program.lines.push(line));
    await once(lines, 'line');
    return program;
  }

  async stop(): Promise<unknown> {
    const exit = once(this.#child, 'close');
    this.#child.kill('SIGTERM');
    return (await exit)[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) await this.stop();
    rmSync(this.#directory, { recursive: true });
  }
}

const cipherText = (data: Uint8Array): Buffer => encrypted('aes-256-cbc', key, iv, data);

describe.each([[[]], [['--zero-copy']]])('the card, started with %j', (args) => {
  it('encrypts for a guest as OpenSSL does, request after request', async () => {
    await using program = await Program.start(...args);
    using guest = await Guest.connect(program.socket);
    const session = await guest.open();
    for (const bytes of [16, 512, 4096, 16384]) {
      const data = Buffer.alloc(bytes, bytes / 16);
      expect(await guest.encrypt(session, data)).toEqual({ status: 0, data: cipherText(data) });
    }
    expect(program.lines).toEqual([`a crypto card is on ${program.socket}`]);
  });

  it('refuses requests of sessions that are not open, and says so when the guest is gone', async () => {
    await using program = await Program.start(...args);
    const guest = await Guest.connect(program.socket);
    const session = await guest.open();
    const data = Buffer.alloc(64, 9);
    await guest.frontend.send(requests.CLOSE_CRYPTO_SESSION, BigInt(session));
    // It is closed once what comes behind it is answered.
    await guest.frontend.ask(requests.GET_FEATURES, undefined);
    const invalid = virtioCrypto.VIRTIO_CRYPTO_INVSESS;
    expect(await guest.encrypt(session, data)).toEqual({ status: invalid, data });
    expect(await guest.encrypt(await guest.open(), data)).toEqual({ status: 0, data: cipherText(data) });
    guest[Symbol.dispose]();
    await until(() => program.lines.length > 1);
    expect(program.lines[1]).toBe('a guest is gone: 1 requests, 1 refused');
    expect(await program.stop()).toBe(0);
  });
});
