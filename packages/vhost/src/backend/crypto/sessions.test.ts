import { VHOST_USER_PROTOCOL_F_CRYPTO_SESSION, frontendRequests as requests } from '../../wire/index.ts';
import { codeOfCall } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { CryptoGuest, cipherSession, requestHead, symmetric } from '../../test-support/crypto-guest.ts';
import { handled } from '../../test-support/test-backend.ts';
import { cryptoCreate, cryptoFree, cryptoStats } from './crypto-calls.ts';
import type { CryptoEngine } from './crypto-engine.ts';
import { cryptoDeviceType } from './crypto-type.ts';
import type { CryptoSessionParameters } from './crypto-parameters.ts';
import { nodeCryptoEngine } from './engine/node-crypto-engine.ts';
import * as virtio from './numbers.ts';

const key = new Uint8Array(16).fill(1);
const encrypts = cipherSession(key);
const mac = { hashAlgorithm: virtio.VIRTIO_CRYPTO_MAC_HMAC_SHA1, authKey: key, hashResultBytes: 20 };
const chain = {
  ...encrypts,
  ...mac,
  opType: virtio.VIRTIO_CRYPTO_SYM_OP_ALGORITHM_CHAINING,
  hashMode: virtio.VIRTIO_CRYPTO_SYM_HASH_MODE_AUTH,
  chainOrder: virtio.VIRTIO_CRYPTO_SYM_ALG_CHAIN_ORDER_CIPHER_THEN_HASH,
};
const p256 = virtio.VIRTIO_CRYPTO_CURVE_NIST_P256;
const rsa = { algorithm: virtio.VIRTIO_CRYPTO_AKCIPHER_RSA, keyType: 1, key, padding: 0, hashAlgorithm: 0 };

/** Notes what is opened and closed, and does nothing. */
class NotingEngine implements CryptoEngine {
  readonly capabilities = nodeCryptoEngine.capabilities;
  readonly opened: CryptoSessionParameters[] = [];
  closed = 0;

  openSession(parameters: CryptoSessionParameters) {
    this.opened.push(parameters);
    return { perform: () => virtio.VIRTIO_CRYPTO_ERR, close: () => void this.closed++ } as const;
  }
}

const {
  VIRTIO_CRYPTO_BADMSG: badmsg,
  VIRTIO_CRYPTO_NOTSUPP: notsupp,
  VIRTIO_CRYPTO_KEY_REJECTED: rejected,
} = virtio;

describe('a session', () => {
  it('is opened, used and closed; its number is never another one', async () => {
    await using guest = await CryptoGuest.start();
    const { frontend } = guest.pair;
    expect(await guest.open(encrypts)).toBe(1);
    expect(await guest.open(encrypts, virtio.VIRTIO_CRYPTO_CIPHER_CREATE_SESSION, 'qemu-7.1')).toBe(2);
    expect(await guest.open(encrypts, virtio.VIRTIO_CRYPTO_CIPHER_CREATE_SESSION, 'qemu-2.12')).toBe(3);
    expect(await frontend.acknowledged(requests.CLOSE_CRYPTO_SESSION, 2n)).toBe(0n);
    expect(await guest.open(encrypts)).toBe(4);
    expect(cryptoStats(guest.pair.device).sessions).toBe(3);
    const head = requestHead(virtio.VIRTIO_CRYPTO_CIPHER_ENCRYPT, 2, [16, 16, 16], 1);
    const { status } = await guest.request([head, new Uint8Array(32)], [17]);
    expect(status).toBe(virtio.VIRTIO_CRYPTO_INVSESS);
  });

  it('is opened and closed a thousand times, and a thousand are open', async () => {
    const engine = new NotingEngine();
    await using guest = await CryptoGuest.start({ engine });
    const { frontend, device } = guest.pair;
    for (let i = 1; i <= 1000; i++) {
      expect(await guest.open(encrypts)).toBe(i);
      await frontend.send(requests.CLOSE_CRYPTO_SESSION, BigInt(i));
    }
    await handled(frontend);
    expect([engine.closed, cryptoStats(device).sessions]).toEqual([1000, 0]);
    for (let i = 1001; i <= 2000; i++) expect(await guest.open(encrypts)).toBe(i);
  });

  it('beyond those that may be open has no place, until one is closed', async () => {
    await using guest = await CryptoGuest.start({ create: { maxSessions: 2 } });
    const numbers = [];
    for (let i = 0; i < 3; i++) numbers.push(await guest.open(encrypts));
    expect(numbers).toEqual([1, 2, -virtio.VIRTIO_CRYPTO_NOSPC]);
    await guest.pair.frontend.send(requests.CLOSE_CRYPTO_SESSION, 1n);
    expect(await guest.open(encrypts)).toBe(3);
  });

  it('that there is not is not closed, and costs nobody the connection', async () => {
    await using guest = await CryptoGuest.start();
    const { frontend, backend } = guest.pair;
    for (const number of [0n, 1n, 2n ** 32n, 2n ** 64n - 1n]) {
      expect(await frontend.acknowledged(requests.CLOSE_CRYPTO_SESSION, number)).toBe(1n);
      // As a frontend does that was connected to another backend before.
      await frontend.send(requests.CLOSE_CRYPTO_SESSION, number);
    }
    await handled(frontend);
    expect(backend.ended).toEqual([]);
    expect(new Set(backend.refused.map(({ code }) => code))).toEqual(new Set(['VIO_VHOST_CRYPTO_SESSION']));
  });

  it('ends with its connection, with a reset, and with the engine', async () => {
    const engine = new NotingEngine();
    const guest = await CryptoGuest.start({ engine });
    await guest.open(encrypts);
    await guest.pair.frontend.send(requests.RESET_OWNER, undefined);
    await handled(guest.pair.frontend);
    expect(engine.closed).toBe(1);
    await guest.open(encrypts);
    cryptoFree(guest.pair.device);
    expect(engine.closed).toBe(2);
    cryptoCreate(guest.pair.device, engine);
    expect(await guest.open(encrypts)).toBe(1);
    await guest[Symbol.asyncDispose]();
    expect(engine.closed).toBe(3);
  });

  it('says to its engine what its frontend wants', async () => {
    const engine = new NotingEngine();
    await using guest = await CryptoGuest.start({ engine });
    await guest.open(chain);
    await guest.open(symmetric(mac), virtio.VIRTIO_CRYPTO_MAC_CREATE_SESSION);
    await guest.open({ ...encrypts, hashResultBytes: 16 }, virtio.VIRTIO_CRYPTO_AEAD_CREATE_SESSION);
    await guest.open({ ...rsa, padding: 4 }, virtio.VIRTIO_CRYPTO_AKCIPHER_CREATE_SESSION);
    const ecdsa = { ...rsa, algorithm: virtio.VIRTIO_CRYPTO_AKCIPHER_ECDSA, keyType: 2, padding: p256 };
    await guest.open(ecdsa, virtio.VIRTIO_CRYPTO_AKCIPHER_CREATE_SESSION);
    const cipher = { algorithm: 3, key, encrypts: true };
    expect(engine.opened).toEqual([
      { service: 'chain', cipher, digest: { algorithm: 2, key, resultBytes: 20 }, cipherFirst: true },
      { service: 'digest', digest: { algorithm: 2, key, resultBytes: 20 } },
      { service: 'aead', aead: { ...cipher, tagBytes: 16 } },
      {
        service: 'akcipher',
        akcipher: { algorithm: 1, key, isPrivate: false, padding: 4, hash: 0, curve: 4 },
      },
      {
        service: 'akcipher',
        akcipher: { algorithm: 3, key, isPrivate: true, padding: 3, hash: 0, curve: 3 },
      },
    ]);
  });

  const cipherCreate = virtio.VIRTIO_CRYPTO_CIPHER_CREATE_SESSION;
  it.each([
    ['a cipher that there is not', { ...encrypts, algorithm: 99 }, cipherCreate, notsupp],
    ['a cipher that is old', { ...encrypts, algorithm: 1 }, cipherCreate, notsupp],
    ['no direction', { ...encrypts, direction: 0 }, cipherCreate, badmsg],
    ['a direction that there is not', { ...encrypts, direction: 3 }, cipherCreate, badmsg],
    ['no kind', { ...encrypts, opType: 0 }, cipherCreate, notsupp],
    ['a kind that there is not', { ...encrypts, opType: 3 }, cipherCreate, notsupp],
    ['no key', { ...encrypts, key: new Uint8Array(0) }, cipherCreate, rejected],
    ['a key that AES has not', { ...encrypts, key: new Uint8Array(15) }, cipherCreate, rejected],
    ['a nested hash', { ...chain, hashMode: 3 }, cipherCreate, notsupp],
    ['a mode of hashing that there is not', { ...chain, hashMode: 0 }, cipherCreate, notsupp],
    ['an order that there is not', { ...chain, chainOrder: 3 }, cipherCreate, badmsg],
    ['no hash', { ...chain, hashAlgorithm: 0 }, cipherCreate, notsupp],
    ['a hash without a result', { ...chain, hashResultBytes: 0 }, cipherCreate, badmsg],
    ['a longer result than its hash has', { ...chain, hashResultBytes: 21 }, cipherCreate, badmsg],
    ['a result of 4 GiB', { ...chain, hashResultBytes: 0xffff_ffff }, cipherCreate, badmsg],
    ['a tag of 3 bytes', { ...encrypts, algorithm: 1, hashResultBytes: 3 }, 0x302, badmsg],
    ['AEAD that there is not', { ...encrypts, hashResultBytes: 16, algorithm: 3 }, 0x302, notsupp],
    ['a service that there is not', encrypts, 0x502, notsupp],
    ['what closes one', encrypts, 0x003, notsupp],
    ['a key that is no key of RSA', rsa, 0x404, rejected],
    ['a type of key that there is not', { ...rsa, keyType: 0 }, 0x404, badmsg],
    ['an asymmetric key of no bytes', { ...rsa, key: new Uint8Array(0) }, 0x404, badmsg],
    ['DSA', { ...rsa, algorithm: 2 }, 0x404, notsupp],
    ['ECDSA', { ...rsa, algorithm: virtio.VIRTIO_CRYPTO_AKCIPHER_ECDSA, padding: p256 }, 0x404, notsupp],
    ['padding that there is not', { ...rsa, padding: 2 }, 0x404, notsupp],
    ['MD5 to be signed', { ...rsa, padding: 1, hashAlgorithm: 4 }, 0x404, notsupp],
  ] as const)('with %s is refused by its number', async (_, session, opcode, status) => {
    await using guest = await CryptoGuest.start();
    expect(await guest.open(session, opcode)).toBe(-status);
    expect(cryptoStats(guest.pair.device).sessions).toBe(0);
  });

  it('with a key longer than its room is refused by its number', async () => {
    await using guest = await CryptoGuest.start();
    const payload = new Uint8Array(632);
    payload.set([3, 0, 0, 0, 65], 8);
    payload.set([1, 1], 32);
    expect(await guest.openRaw(payload)).toBe(-badmsg);
  });

  it('whose message has no known size ends the connection', async () => {
    await using guest = await CryptoGuest.start();
    const { frontend, backend } = guest.pair;
    await frontend.send(requests.CREATE_CRYPTO_SESSION, new Uint8Array(100));
    await expect(handled(frontend)).rejects.toThrow(
      expect.objectContaining({ code: 'VIO_VHOST_DISCONNECTED' }),
    );
    expect(backend.ended).toMatchObject([{ code: 'VIO_VHOST_MESSAGE_SIZE' }]);
  });

  it('is unknown to a device that has no engine', async () => {
    await using guest = await CryptoGuest.start();
    cryptoFree(guest.pair.device);
    expect(await guest.pair.frontend.acknowledged(requests.CLOSE_CRYPTO_SESSION, 1n)).toBe(1n);
    expect(guest.pair.backend.refused).toMatchObject([{ code: 'VIO_VHOST_UNKNOWN_REQUEST' }]);
  });
});

describe('a crypto device', () => {
  it('offers sessions, and no status that frontends do not keep to', async () => {
    await using guest = await CryptoGuest.start();
    const { protocolFeatures } = guest.pair.device;
    expect(protocolFeatures & VHOST_USER_PROTOCOL_F_CRYPTO_SESSION).not.toBe(0n);
    expect(protocolFeatures & (1n << 16n)).toBe(0n);
  });

  it('says in its configuration space what its engine can do', async () => {
    await using guest = await CryptoGuest.start({ queues: 3 });
    const view = new DataView(guest.pair.device.config.space().slice().buffer);
    const words = Array.from({ length: 12 }, (_, i) => view.getUint32(4 * i, true));
    expect(words).toEqual([1, 3, 0b11111, 0b11100, 0, 0b111_1100, 0b111_1100, 0, 0b10, 64, 512, 0b10]);
    expect(view.getBigUint64(48, true)).toBe(2n ** 20n);
  });

  it('has one engine', async () => {
    await using guest = await CryptoGuest.start();
    const again = (): void => cryptoCreate(guest.pair.device, nodeCryptoEngine);
    expect(again).toThrow(expect.objectContaining({ code: 'VIO_VHOST_STATE' }));
  });

  it.each([
    { maxSessions: Number.NaN },
    { maxSessions: 0 },
    { maxDataBytes: Number.NaN },
    { maxDataBytes: 0 },
    { maxDataBytes: 1.5 },
    { maxDataBytes: Infinity },
  ])('has no limit that there cannot be (%o)', async (options) => {
    await using guest = await CryptoGuest.start();
    const { device } = guest.pair;
    cryptoFree(device);
    const calls = [() => cryptoCreate(device, nodeCryptoEngine, options)];
    if ('maxDataBytes' in options) calls.push(() => void cryptoDeviceType(nodeCryptoEngine, options));
    expect(calls.map(codeOfCall)).toEqual(calls.map(() => 'VIO_OPTION_VALUE'));
    cryptoCreate(device, nodeCryptoEngine, { maxSessions: Infinity });
  });

  it('without an engine has no counters', async () => {
    await using guest = await CryptoGuest.start();
    cryptoFree(guest.pair.device);
    const ask = (): unknown => cryptoStats(guest.pair.device);
    expect(ask).toThrow(expect.objectContaining({ code: 'VIO_VHOST_STATE' }));
  });
});
