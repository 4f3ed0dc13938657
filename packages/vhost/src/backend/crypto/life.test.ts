// What becomes of operations that take their time, and of frontends that say little.
import { UncaughtErrors } from '@vio/rings/testing';
import { encrypted, until } from '@vio/test-support';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import { describe, expect, it } from 'vitest';
import { frontendRequests as requests } from '../../wire/index.ts';
import { CryptoGuest, cipherSession, requestHead } from '../../test-support/crypto-guest.ts';
import { handled } from '../../test-support/test-backend.ts';
import { cryptoFetchRequests, cryptoFinalizeRequests, cryptoFree, cryptoPerform } from './crypto-calls.ts';
import type { CryptoEngine, CryptoOperation, CryptoStatus } from './crypto-engine.ts';
import { nodeCryptoEngine } from './engine/node-crypto-engine.ts';
import * as virtio from './numbers.ts';

const ok = virtio.VIRTIO_CRYPTO_OK;
const key = new Uint8Array(16).fill(1);
const iv = new Uint8Array(16).fill(2);
const data = new Uint8Array(32).fill(3);
const request = (session: number): Uint8Array[] => [
  requestHead(virtio.VIRTIO_CRYPTO_CIPHER_ENCRYPT, session, [16, 32, 32], 1),
  iv,
  data,
];
const right = encrypted('aes-128-cbc', key, iv, data);

/** Carries operations out as it is told. */
function engineOf(
  perform: (operation: CryptoOperation) => CryptoStatus | Promise<CryptoStatus>,
): CryptoEngine {
  return { capabilities: nodeCryptoEngine.capabilities, openSession: () => ({ perform, close() {} }) };
}

describe('operations', () => {
  it('are given back in any order, each once', async () => {
    await using guest = await CryptoGuest.start();
    const session = await guest.open(cipherSession(key));
    const answers = Array.from({ length: 5 }, () => guest.expose(request(session), [32, 1]));
    const { device, guest: driver } = guest.pair;
    const operations = cryptoFetchRequests(device, 0);
    await cryptoPerform(operations);
    expect(cryptoFinalizeRequests(operations, 3, 1)).toBe(1);
    expect(cryptoFinalizeRequests(operations.toReversed())).toBe(4);
    expect(cryptoFinalizeRequests(operations)).toBe(0);
    const used = driver.rings[0].used();
    expect([used.length, new Set(used.map(({ id }) => id)).size]).toEqual([5, 5]);
    expect(answers.length).toBe(5);
  });

  it('are fetched as many as there may be, and more when some went back', async () => {
    await using guest = await CryptoGuest.start();
    const session = await guest.open(cipherSession(key));
    for (let i = 0; i < 6; i++) guest.expose(request(session), [32, 1]);
    const { device } = guest.pair;
    expect(cryptoFetchRequests(device, 0, 0)).toEqual([]);
    const first = cryptoFetchRequests(device, 0, 2);
    const second = cryptoFetchRequests(device, 0, 3);
    expect([first.length, second.length, cryptoFetchRequests(device, 0).length]).toEqual([2, 3, 1]);
    cryptoFinalizeRequests([...second, ...first]);
    expect(guest.pair.guest.rings[0].used()).toHaveLength(5);
  });

  it('are fetched only as long as little memory is taken, and more when some went back', async () => {
    const megabytes = 4;
    await using guest = await CryptoGuest.start({
      create: { maxDataBytes: megabytes << 20 },
      guest: { rings: 1, size: 64, features: VIRTIO_F_VERSION_1 | (1n << 28n), ring: { indirect: true } },
    });
    const session = await guest.open(cipherSession(key));
    const { device, guest: driver } = guest.pair;
    const [ring] = driver.rings;
    const length = 1 << 18;
    const [source, room] = [ring.memory.alloc(length), ring.memory.alloc(1)];
    const lengths = [16, megabytes << 20, megabytes << 20];
    const head = requestHead(virtio.VIRTIO_CRYPTO_CIPHER_ENCRYPT, session, lengths, 1);
    const first = { address: ring.memory.put(Buffer.concat([head, iv])), length: head.length + iv.length };
    const pieces = (writable: boolean) =>
      Array.from({ length: 4 * megabytes }, () => ({ address: source, length, writable }));
    for (let i = 0; i < 12; i++)
      ring.expose([
        { table: [first, ...pieces(false), ...pieces(true), { address: room, length: 1, writable: true }] },
      ]);
    const operations = cryptoFetchRequests(device, 0);
    // 8 MiB each: what is read, and what is written.
    expect([operations.length, cryptoFetchRequests(device, 0)]).toEqual([8, []]);
    expect(cryptoFinalizeRequests(operations, 0, 3)).toBe(3);
    const more = cryptoFetchRequests(device, 0);
    expect([more.length, ring.used().length]).toEqual([3, 3]);
    cryptoFinalizeRequests([...more, ...operations]);
    expect([cryptoFetchRequests(device, 0).length, ring.used().length]).toEqual([1, 8]);
  });

  it('come in as many pieces as their ring has descriptors', async () => {
    await using guest = await CryptoGuest.start({
      queues: 2,
      guest: { rings: 2, size: 2048, features: VIRTIO_F_VERSION_1 | (1n << 28n), ring: { indirect: true } },
    });
    const session = await guest.open(cipherSession(key));
    const pieces = 1984;
    const long = Buffer.alloc(pieces, 3);
    const head = requestHead(virtio.VIRTIO_CRYPTO_CIPHER_ENCRYPT, session, [16, pieces, pieces], 1);
    const { status, data: result } = await guest.request(
      [head, iv, ...Array.from(long, (byte) => Uint8Array.of(byte))],
      [pieces, 1],
    );
    expect([status, result.equals(encrypted('aes-128-cbc', key, iv, long))]).toEqual([ok, true]);
    expect(guest.pair.backend.broken).toEqual([]);
  });

  it('that nobody carried out have failed', async () => {
    await using guest = await CryptoGuest.start();
    const answer = guest.expose(request(await guest.open(cipherSession(key))), [32, 1]);
    cryptoFinalizeRequests(cryptoFetchRequests(guest.pair.device, 0));
    expect(answer().status).toBe(virtio.VIRTIO_CRYPTO_ERR);
  });

  it('may take their time', async () => {
    const engine = engineOf(async ({ destination }) => {
      await new Promise(setImmediate);
      destination[0].set(right);
      return ok;
    });
    await using guest = await CryptoGuest.start({ engine });
    const answer = guest.expose(request(await guest.open(cipherSession(key))), [32, 1]);
    expect(await guest.serve()).toBe(1);
    expect(answer()).toMatchObject({ status: ok, data: right });
  });

  it.each<[string, () => CryptoStatus | Promise<CryptoStatus>]>([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
  ])('fail whose engine %s, which is told', async (_, perform) => {
    using errors = new UncaughtErrors();
    await using guest = await CryptoGuest.start({ engine: engineOf(perform) });
    const answer = guest.expose(request(await guest.open(cipherSession(key))), [32, 1]);
    await guest.serve();
    expect(answer().status).toBe(virtio.VIRTIO_CRYPTO_ERR);
    await until(() => errors.seen.length === 1);
    expect(errors.seen).toMatchObject([{ message: 'no' }]);
  });

  it('are carried out after an engine has thrown when it opened, or closed, other sessions', async () => {
    using errors = new UncaughtErrors();
    let [opened, closed] = [0, 0];
    const engine: CryptoEngine = {
      capabilities: nodeCryptoEngine.capabilities,
      openSession: () => {
        if (++opened === 2) throw new Error('opening');
        const close = (): void => {
          closed++;
          throw new Error('closing');
        };
        return { perform: () => ok, close };
      },
    };
    await using guest = await CryptoGuest.start({ engine });
    const { frontend, backend } = guest.pair;
    const ids: number[] = [];
    for (let i = 0; i < 4; i++) ids.push(await guest.open(cipherSession(key)));
    expect(ids).toEqual([1, -virtio.VIRTIO_CRYPTO_ERR, 2, 3]);
    expect(await frontend.acknowledged(requests.CLOSE_CRYPTO_SESSION, 1n)).toBe(0n);
    expect(await guest.request(request(3), [32, 1])).toMatchObject({ status: ok });
    expect(backend.ended).toEqual([]);
    frontend.close();
    await until(() => backend.ended.length === 1);
    expect([closed, backend.ended[0].code, backend.served.memory]).toEqual([
      3,
      'VIO_VHOST_DISCONNECTED',
      undefined,
    ]);
    const told = (await errors.all()).map((error) => (error instanceof Error ? error.message : error));
    expect(told).toEqual(['opening', 'closing', 'closing', 'closing']);
  });

  it('go back to a device whose engine was taken away, or whose session was closed', async () => {
    await using guest = await CryptoGuest.start();
    const answer = guest.expose(request(await guest.open(cipherSession(key))), [32, 1]);
    const operations = cryptoFetchRequests(guest.pair.device, 0);
    await guest.pair.frontend.send(requests.CLOSE_CRYPTO_SESSION, 1n);
    await handled(guest.pair.frontend);
    cryptoFree(guest.pair.device);
    await cryptoPerform(operations);
    expect(cryptoFinalizeRequests(operations)).toBe(1);
    expect(answer()).toMatchObject({ status: ok, data: right });
  });

  it.each([
    [
      'was stopped',
      (guest: CryptoGuest) => guest.pair.frontend.ask(requests.GET_VRING_BASE, { index: 0, value: 0 }),
    ],
    [
      'runs in other memory',
      async (guest: CryptoGuest) => {
        const { frontend, guest: driver } = guest.pair;
        const fds = driver.regions.map(() => driver.fd);
        await frontend.send(requests.SET_MEM_TABLE, driver.regions, { fds });
        await handled(frontend);
      },
    ],
  ])('write nothing once their ring %s', async (_, interrupt) => {
    await using guest = await CryptoGuest.start();
    const driver = guest.pair.guest.rings[0];
    const room = driver.memory.put(new Uint8Array(33).fill(0xee));
    const sent = Buffer.concat(request(await guest.open(cipherSession(key))));
    driver.expose([
      { address: driver.memory.put(sent), length: sent.length },
      { address: room, length: 33, writable: true },
    ]);
    const operations = cryptoFetchRequests(guest.pair.device, 0);
    await cryptoPerform(operations);
    await interrupt(guest);
    expect(cryptoFinalizeRequests(operations)).toBe(1);
    expect(driver.memory.read(room, 33).every((byte) => byte === 0xee)).toBe(true);
    expect(driver.used()).toEqual([]);
  });
});

/** QEMU up to 7.2 at least accepts nothing but bit 30, enables no ring, and its guest's driver has event indexes and indirect tables. */
describe('a frontend that says neither features nor that rings are enabled', () => {
  const silent = {
    guest: { rings: 1, size: 8, features: 0n, ring: { indirect: true, eventIdx: true } },
    instead: { SET_VRING_ENABLE: 'skip' },
  } as const;

  it('has its requests carried out, is kicked for and called', async () => {
    await using guest = await CryptoGuest.start(silent);
    const session = await guest.open(
      cipherSession(key),
      virtio.VIRTIO_CRYPTO_CIPHER_CREATE_SESSION,
      'qemu-7.1',
    );
    const { device, guest: driver } = guest.pair;
    device.rawVring(0)?.onKick(() => void guest.serve());
    await handled(guest.pair.frontend);
    for (let i = 0; i < 20; i++) {
      const answer = guest.expose(request(session), [32, 1]);
      expect(driver.rings[0].kickWanted()).toBe(true);
      driver.kicks[0].signal();
      await until(() => driver.calls[0].drain());
      expect(answer()).toMatchObject({ status: ok, data: right });
      await new Promise(setImmediate);
    }
  });

  it('is not called, nor its rings taken for enabled, where it does say so', async () => {
    await using guest = await CryptoGuest.start({
      guest: { rings: 1, size: 8, features: VIRTIO_F_VERSION_1 | (1n << 28n) },
      instead: {
        SET_VRING_ENABLE: (frontend, index) => frontend.send(requests.SET_VRING_ENABLE, { index, value: 0 }),
      },
    });
    expect(guest.pair.device.rawVring(0)?.running).toBe(false);
    await guest.pair.frontend.send(requests.SET_VRING_ENABLE, { index: 0, value: 1 });
    await handled(guest.pair.frontend);
    guest.pair.guest.rings[0].wantCalls('never');
    const session = await guest.open(cipherSession(key));
    guest.pair.guest.rings[0].expose([
      { address: guest.pair.guest.rings[0].memory.put(request(session)[0]), length: 72 },
    ]);
    await guest.serve();
    expect([guest.pair.guest.calls[0].drain(), guest.pair.device.guestNotifications]).toEqual([false, 0]);
  });
});

it('a successor of a backend that was killed refuses requests of old sessions, and opens new ones', async () => {
  const guests = [await CryptoGuest.start(), await CryptoGuest.start()];
  const session = await guests[0].open(cipherSession(key));
  expect(await guests[0].request(request(session), [32, 1])).toMatchObject({ status: ok });
  await guests[0][Symbol.asyncDispose]();
  await using successor = guests[1];
  expect(await successor.request(request(session), [32, 1])).toMatchObject({
    status: virtio.VIRTIO_CRYPTO_INVSESS,
  });
  await successor.pair.frontend.send(requests.CLOSE_CRYPTO_SESSION, BigInt(session));
  const again = await successor.open(cipherSession(key));
  expect(await successor.request(request(again), [32, 1])).toMatchObject({ status: ok, data: right });
});
