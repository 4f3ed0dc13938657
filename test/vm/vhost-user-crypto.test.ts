// The example crypto-offload under QEMU: programs of a stock kernel encrypt by AF_ALG, and get the bits that OpenSSL has.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { encrypted } from '@vio/test-support';
import { beforeAll, describe, expect, it } from 'vitest';
import { here, repository } from './checkout.ts';
import type { CryptoPlan, CryptoStep } from './crypto-plan.ts';
import { reportOf } from './guest.ts';
import { cacheDirectory } from './kernel.ts';
import { withoutVectors } from './qemu.ts';

const main = join(repository, 'examples/crypto-offload/dist/main.js');
const sessions = 1000;

interface Request {
  readonly operation: 'enc' | 'dec';
  readonly key: Buffer;
  readonly iv: Buffer;
  readonly data: Buffer;
}

/** As af-alg.c reads it. */
const lines = (...requests: Request[]): string =>
  requests
    .map(({ operation, key, iv, data }) =>
      [operation, ...[key, iv, data].map((bytes) => bytes.toString('hex'))].join(' '),
    )
    .map((line) => `${line}\n`)
    .join('');

/** What OpenSSL says. */
const cipherText = ({ key, iv, data }: Request): Buffer =>
  encrypted(`aes-${8 * key.length}-cbc`, key, iv, data);

/** A message of each length, with a key of each length. The kernel takes 64 KiB at a time, less what it keeps for itself. */
const lengths = [16, 32, 48, 496, 512, 4080, 4096, 4112, 16384, 61440];
const plain = [16, 24, 32].flatMap((keyBytes) =>
  lengths.map((bytes): Request => ({
    operation: 'enc',
    key: randomBytes(keyBytes),
    iv: randomBytes(16),
    data: randomBytes(bytes),
  })),
);
const secret = plain.map((request): Request => ({ ...request, operation: 'dec', data: cipherText(request) }));
const other: Request = {
  operation: 'enc',
  key: randomBytes(32),
  iv: randomBytes(16),
  data: randomBytes(128),
};
const odd: Request = { ...other, data: randomBytes(40) };
const inputs = { plain: lines(...plain), secret: lines(...secret), other: lines(other), odd: lines(odd) };

const steps = {
  driver: ['sh', 'grep -A5 "driver *: virtio_crypto_aes_cbc" /proc/crypto'],
  encrypted: ['ciphers', 'plain'],
  decrypted: ['ciphers', 'secret'],
  'a part of a block': ['ciphers', 'odd'],
  sessions: ['repeat', 'other', sessions],
  unbound: ['unbind'],
  killed: ['kill'],
  bound: ['bind'],
  'encrypted again': ['ciphers', 'plain'],
  'sessions again': ['repeat', 'other', 10],
} satisfies Record<string, CryptoStep>;

/** The program, and another one after it was killed, as files of the directory ask for. */
class Cards {
  /** What each of them said. */
  readonly lives: string[][] = [];
  readonly ends: (NodeJS.Signals | number | null)[] = [];
  readonly #arguments: readonly string[];
  readonly #watcher;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  private constructor(directory: string, args: readonly string[]) {
    this.#arguments = [main, ...args, join(directory, 'crypto.sock')];
    this.#watcher = watch(directory, (_, file) => {
      if (file === 'kill') this.#child?.kill('SIGKILL');
      if (file === 'revive' && this.ends.length === this.lives.length) void this.#begin();
    });
  }

  static async start(directory: string, args: readonly string[]): Promise<Cards> {
    const cards = new Cards(directory, args);
    await cards.#begin();
    return cards;
  }

  async stop(): Promise<void> {
    this.#watcher.close();
    this.#child?.kill('SIGTERM');
    await this.#ended;
  }

  #begin(): Promise<void> {
    const said: string[] = [];
    this.lives.push(said);
    const child = spawn(process.execPath, this.#arguments, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        this.ends.push(signal ?? code);
        resolve();
      });
    });
    return new Promise((resolve) => {
      createInterface(child.stdout).on('line', (line) => {
        said.push(line);
        resolve();
      });
    });
  }
}

async function run(...args: string[]) {
  // The guest has a /tmp of its own.
  mkdirSync(cacheDirectory, { recursive: true });
  const directory = mkdtempSync(join(cacheDirectory, 'crypto-'));
  const cards = await Cards.start(directory, args);
  try {
    execFileSync('cc', [
      '-O2',
      '-Wall',
      '-static',
      '-o',
      join(directory, 'af-alg'),
      join(here, 'guest/af-alg.c'),
    ]);
    for (const [name, text] of Object.entries(inputs)) writeFileSync(join(directory, name), text);
    const plan: CryptoPlan = { directory, chardev: 'card' };
    const reports = await reportOf<Record<keyof typeof steps, unknown>>('crypto', {
      modules: ['crypto'],
      arguments: [JSON.stringify(plan), JSON.stringify(steps)],
      monitor: true,
      timeout: 400_000,
      qemu: [
        ['-object', 'memory-backend-memfd,id=memory,size=512M,share=on', '-machine', 'memory-backend=memory'],
        ['-chardev', `socket,id=card,path=${join(directory, 'crypto.sock')},reconnect=1`],
        ['-object', 'cryptodev-vhost-user,id=crypto,chardev=card'],
        ['-device', `virtio-crypto-pci,cryptodev=crypto,${withoutVectors}`],
      ].flat(),
    });
    await cards.stop();
    return { reports, lives: cards.lives, ends: cards.ends };
  } finally {
    await cards.stop();
    rmSync(directory, { recursive: true });
  }
}

describe.each([[[]], [['--zero-copy']]])('a crypto card, started with %j', (args) => {
  let guest: Awaited<ReturnType<typeof run>>;
  beforeAll(async () => {
    guest = await run(...args);
  });
  const right = plain.map((request) => cipherText(request).toString('hex'));

  it('is the driver of the kernel for AES-CBC', () => {
    expect(guest.reports.driver).toMatch(/selftest *: passed/);
  });

  it('encrypts, bit for bit as OpenSSL', () => {
    expect(guest.reports.encrypted).toEqual(right);
  });

  it('decrypts', () => {
    expect(guest.reports.decrypted).toEqual(plain.map(({ data }) => data.toString('hex')));
  });

  it('does nothing with a part of a block', () => {
    expect(guest.reports['a part of a block']).toEqual([expect.stringMatching(/^error \d+$/)]);
  });

  it(`opens and closes ${sessions} sessions, each of which is right`, () => {
    expect(guest.reports.sessions).toEqual({ [cipherText(other).toString('hex')]: sessions });
  });

  it('is killed while the driver is gone, and its successor works as it did', () => {
    const { reports } = guest;
    expect([reports.unbound, reports.killed, reports.bound]).toEqual([false, 'another one', true]);
    expect(reports['encrypted again']).toEqual(right);
    expect(reports['sessions again']).toEqual({ [cipherText(other).toString('hex')]: 10 });
    expect(guest.ends).toEqual(['SIGKILL', 0]);
  });

  it('had no request that makes no sense', () => {
    const [first, second] = guest.lives;
    expect([first.length, second.at(-1)]).toEqual([
      1,
      expect.stringMatching(/^a guest is gone: \d+ requests, 0 refused$/),
    ]);
  });
});
