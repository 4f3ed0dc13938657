// Requests of every service, right ones: what comes back is what node:crypto says by itself.
import {
  constants,
  createCipheriv,
  createHash,
  createHmac,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { encrypted } from '@vio/test-support';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CryptoGuest, cipherSession, requestHead, symmetric } from '../../test-support/crypto-guest.ts';
import { cryptoSetZeroCopy } from './crypto-calls.ts';
import * as virtio from './numbers.ts';

const ok = virtio.VIRTIO_CRYPTO_OK;
const chained = virtio.VIRTIO_CRYPTO_SYM_OP_ALGORITHM_CHAINING;
const alone = virtio.VIRTIO_CRYPTO_SYM_OP_CIPHER;

/** Cuts bytes into pieces of these sizes, and the rest. */
function cut(bytes: Uint8Array, ...sizes: number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const size of [...sizes, bytes.length]) {
    if (at < bytes.length) pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

const modes = [
  ['cbc', virtio.VIRTIO_CRYPTO_CIPHER_AES_CBC, 16, 96],
  ['ctr', virtio.VIRTIO_CRYPTO_CIPHER_AES_CTR, 16, 101],
  ['ecb', virtio.VIRTIO_CRYPTO_CIPHER_AES_ECB, 0, 96],
] as const;

describe.each([false, true])('zero copy: %s', (zeroCopy) => {
  let guest: CryptoGuest;
  beforeAll(async () => {
    guest = await CryptoGuest.start();
    cryptoSetZeroCopy(guest.pair.device, zeroCopy);
  });
  afterAll(() => guest[Symbol.asyncDispose]());

  describe.each(modes)('AES-%s', (mode, algorithm, ivBytes, bytes) => {
    it.each([16, 24, 32])(
      'with a key of %i bytes encrypts and decrypts as OpenSSL does',
      async (keyBytes) => {
        const [key, iv, data] = [randomBytes(keyBytes), randomBytes(ivBytes), randomBytes(bytes)];
        const cipherText = encrypted(`aes-${8 * keyBytes}-${mode}`, key, ivBytes === 0 ? null : iv, data);
        const lengths = [ivBytes, bytes, bytes];
        const encrypts = await guest.open(cipherSession(key, true, algorithm));
        const there = await guest.request(
          [requestHead(virtio.VIRTIO_CRYPTO_CIPHER_ENCRYPT, encrypts, lengths, alone), iv, data],
          [bytes, 1],
        );
        expect(there).toMatchObject({ status: ok, written: bytes + 1 });
        expect(there.data).toEqual(cipherText);
        const decrypts = await guest.open(cipherSession(key, false, algorithm));
        const back = await guest.request(
          [
            requestHead(virtio.VIRTIO_CRYPTO_CIPHER_DECRYPT, decrypts, lengths, alone),
            iv,
            ...cut(cipherText, 3, 50),
          ],
          [7, 20, bytes - 27, 1],
        );
        expect([back.status, back.data]).toEqual([ok, data]);
      },
    );
  });

  it('works where source and destination are one buffer', async () => {
    const [key, iv, data] = [randomBytes(16), randomBytes(16), randomBytes(512)];
    const session = await guest.open(cipherSession(key));
    const { memory } = guest.pair.guest.rings[0];
    const place = { address: memory.put(data), length: data.length };
    const head = requestHead(virtio.VIRTIO_CRYPTO_CIPHER_ENCRYPT, session, [16, 512, 512], alone);
    const answer = guest.expose([head, iv], [1], place);
    await guest.serve();
    expect(answer()).toMatchObject({ status: ok, data: encrypted('aes-128-cbc', key, iv, data) });
  });

  it.each([16, -16, 1])('works where the destination is the source, %i bytes further on', async (further) => {
    const [key, iv, data] = [randomBytes(16), randomBytes(16), randomBytes(128)];
    const session = await guest.open(cipherSession(key));
    const { memory } = guest.pair.guest.rings[0];
    const at = memory.put(Buffer.concat([Buffer.alloc(64), data, Buffer.alloc(64)])) + 64;
    const status = memory.put(Uint8Array.of(0xee));
    const head = requestHead(virtio.VIRTIO_CRYPTO_CIPHER_ENCRYPT, session, [16, 128, 128], alone);
    guest.pair.guest.rings[0].expose([
      {
        table: [
          { address: memory.put(head), length: head.length },
          { address: memory.put(iv), length: 16 },
          { address: at, length: 128 },
          { address: at + further, length: 128, writable: true },
          { address: status, length: 1, writable: true },
        ],
      },
    ]);
    await guest.serve();
    guest.pair.guest.rings[0].used();
    expect(Buffer.from(memory.read(at + further, 128))).toEqual(encrypted('aes-128-cbc', key, iv, data));
  });

  it('leaves what is behind the destination alone, and finds the status at the end', async () => {
    const [key, iv, data] = [randomBytes(16), randomBytes(16), randomBytes(32)];
    const session = await guest.open(cipherSession(key));
    const head = requestHead(virtio.VIRTIO_CRYPTO_CIPHER_ENCRYPT, session, [16, 32, 64], alone);
    const { status, data: got } = await guest.request([head, iv, data, Buffer.alloc(40)], [64, 30, 1]);
    expect(status).toBe(ok);
    expect(got.subarray(0, 32)).toEqual(encrypted('aes-128-cbc', key, iv, data));
    expect(got.subarray(32).every((byte) => byte === 0xee)).toBe(true);
  });

  describe.each([
    ['SHA-1', virtio.VIRTIO_CRYPTO_MAC_HMAC_SHA1, 'sha1', 20],
    ['SHA-256', virtio.VIRTIO_CRYPTO_MAC_HMAC_SHA_256, 'sha256', 32],
    ['SHA-512, cut', virtio.VIRTIO_CRYPTO_MAC_HMAC_SHA_512, 'sha512', 24],
  ] as const)('%s', (_, algorithm, name, bytes) => {
    const [authKey, data] = [randomBytes(40), randomBytes(300)];

    it('makes a MAC', async () => {
      const fields = { hashAlgorithm: algorithm, authKey, hashResultBytes: bytes };
      const session = await guest.open(symmetric(fields), virtio.VIRTIO_CRYPTO_MAC_CREATE_SESSION);
      const head = requestHead(virtio.VIRTIO_CRYPTO_MAC, session, [300, bytes]);
      const { status, data: mac, written } = await guest.request([head, ...cut(data, 1, 100)], [bytes + 1]);
      expect([status, written]).toEqual([ok, bytes + 1]);
      expect(mac).toEqual(createHmac(name, authKey).update(data).digest().subarray(0, bytes));
    });

    it('hashes', async () => {
      const fields = { hashAlgorithm: algorithm, hashResultBytes: bytes };
      const session = await guest.open(symmetric(fields), virtio.VIRTIO_CRYPTO_HASH_CREATE_SESSION);
      const head = requestHead(virtio.VIRTIO_CRYPTO_HASH, session, [300, bytes]);
      const { status, data: hash } = await guest.request([head, data], [bytes, 1]);
      expect([status, hash]).toEqual([ok, createHash(name).update(data).digest().subarray(0, bytes)]);
    });

    describe.each([
      ['cipher, then hash', virtio.VIRTIO_CRYPTO_SYM_ALG_CHAIN_ORDER_CIPHER_THEN_HASH],
      ['hash, then cipher', virtio.VIRTIO_CRYPTO_SYM_ALG_CHAIN_ORDER_HASH_THEN_CIPHER],
    ])('chained, %s', (_name, chainOrder) => {
      // The cipher works on 64 bytes from 32 on; the hash begins in front of it and ends in its middle, or is all of it.
      it.each([
        [8, 50],
        [0, 112],
        [32, 64],
        [40, 16],
        [100, 12],
        [0, 0],
      ])('makes both, hash from %i on over %i bytes', async (hashFrom, hashBytes) => {
        const [key, iv, source] = [randomBytes(32), randomBytes(16), randomBytes(112)];
        const result = Buffer.from(source);
        result.set(encrypted('aes-256-cbc', key, iv, source.subarray(32, 96)), 32);
        const session = await guest.open({
          ...cipherSession(key),
          opType: chained,
          hashAlgorithm: algorithm,
          authKey,
          hashResultBytes: bytes,
          hashMode: virtio.VIRTIO_CRYPTO_SYM_HASH_MODE_AUTH,
          chainOrder,
        });
        const lengths = [16, 112, 112, 32, 64, hashFrom, hashBytes, 0, bytes];
        const head = requestHead(virtio.VIRTIO_CRYPTO_CIPHER_ENCRYPT, session, lengths, chained);
        const answer = await guest.request([head, iv, ...cut(source, 17, 33)], [50, 62 + bytes, 1]);
        const cipherFirst = chainOrder === virtio.VIRTIO_CRYPTO_SYM_ALG_CHAIN_ORDER_CIPHER_THEN_HASH;
        const hashed = (cipherFirst ? result : source).subarray(hashFrom, hashFrom + hashBytes);
        const mac = createHmac(name, authKey).update(hashed).digest().subarray(0, bytes);
        expect(answer.status).toBe(ok);
        expect(answer.data).toEqual(Buffer.concat([result, mac]));
        expect(answer.written).toBe(112 + bytes + 1);
      });
    });
  });

  it.each([16, 32])(
    'AES-GCM with a key of %i bytes encrypts, and decrypts what its tag fits',
    async (keyBytes) => {
      const [key, iv, aad, data] = [randomBytes(keyBytes), randomBytes(12), randomBytes(20), randomBytes(77)];
      const cipher = createCipheriv(keyBytes === 16 ? 'aes-128-gcm' : 'aes-256-gcm', key, iv);
      cipher.setAAD(aad);
      const sealed = Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
      const open = (encrypts: boolean): Promise<number> =>
        guest.open(
          {
            ...cipherSession(key, encrypts, virtio.VIRTIO_CRYPTO_AEAD_GCM),
            hashResultBytes: 16,
            aadBytes: 20,
          },
          virtio.VIRTIO_CRYPTO_AEAD_CREATE_SESSION,
        );
      const there = await guest.request(
        [requestHead(virtio.VIRTIO_CRYPTO_AEAD_ENCRYPT, await open(true), [12, 20, 77, 93]), iv, data, aad],
        [93, 1],
      );
      expect([there.status, there.data]).toEqual([ok, sealed]);
      const decrypts = await open(false);
      const head = requestHead(virtio.VIRTIO_CRYPTO_AEAD_DECRYPT, decrypts, [12, 20, 93, 77]);
      const back = await guest.request([head, iv, ...cut(sealed, 80), aad], [30, 47, 1]);
      expect([back.status, back.data]).toEqual([ok, data]);
      sealed[5] ^= 1;
      const damaged = await guest.request([head, iv, sealed, aad], [77, 1]);
      expect(damaged.status).toBe(virtio.VIRTIO_CRYPTO_BADMSG);
      expect(damaged.data.every((byte) => byte === 0xee)).toBe(true);
    },
  );
});

describe('RSA', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const keys = {
    public: publicKey.export({ type: 'pkcs1', format: 'der' }),
    private: privateKey.export({ type: 'pkcs1', format: 'der' }),
  };
  const bytes = 128;
  let guest: CryptoGuest;
  beforeAll(async () => {
    guest = await CryptoGuest.start();
  });
  afterAll(() => guest[Symbol.asyncDispose]());

  const open = (
    kind: 'public' | 'private',
    padding: number,
    hashAlgorithm: number = virtio.VIRTIO_CRYPTO_RSA_NO_HASH,
  ): Promise<number> =>
    guest.open(
      {
        algorithm: virtio.VIRTIO_CRYPTO_AKCIPHER_RSA,
        keyType:
          kind === 'private'
            ? virtio.VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PRIVATE
            : virtio.VIRTIO_CRYPTO_AKCIPHER_KEY_TYPE_PUBLIC,
        key: keys[kind],
        padding,
        hashAlgorithm,
      },
      virtio.VIRTIO_CRYPTO_AKCIPHER_CREATE_SESSION,
    );
  const pkcs1 = virtio.VIRTIO_CRYPTO_RSA_PKCS1_PADDING;
  const raw = virtio.VIRTIO_CRYPTO_RSA_RAW_PADDING;
  const message = Buffer.from('attack at dawn');

  it('encrypts what OpenSSL decrypts', async () => {
    const head = requestHead(virtio.VIRTIO_CRYPTO_AKCIPHER_ENCRYPT, await open('public', raw), [
      message.length,
      bytes,
    ]);
    const { status, data, written } = await guest.request([head, message], [bytes, 1]);
    expect([status, written]).toEqual([ok, bytes + 1]);
    const whole = privateDecrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, data);
    expect(whole.subarray(-message.length)).toEqual(message);
  });

  it('decrypts what OpenSSL encrypts, and says how long it is', async () => {
    const sealed = publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, message);
    const head = requestHead(virtio.VIRTIO_CRYPTO_AKCIPHER_DECRYPT, await open('private', pkcs1), [
      bytes,
      bytes,
    ]);
    const { status, data, written } = await guest.request([head, sealed], [bytes, 1]);
    expect([status, written, data.subarray(0, message.length)]).toEqual([ok, message.length + 1, message]);
  });

  it.each([
    ['sha1', virtio.VIRTIO_CRYPTO_RSA_SHA1],
    ['sha256', virtio.VIRTIO_CRYPTO_RSA_SHA256],
    ['sha384', virtio.VIRTIO_CRYPTO_RSA_SHA384],
    ['sha512', virtio.VIRTIO_CRYPTO_RSA_SHA512],
  ])(
    'signs a hash by %s so that OpenSSL verifies it, and verifies what OpenSSL signs',
    async (name, hash) => {
      const digest = createHash(name).update(message).digest();
      const head = requestHead(virtio.VIRTIO_CRYPTO_AKCIPHER_SIGN, await open('private', pkcs1, hash), [
        digest.length,
        bytes,
      ]);
      const { status, data } = await guest.request([head, digest], [bytes, 1]);
      expect([status, verify(name, message, publicKey, data)]).toEqual([ok, true]);
      const signature = sign(name, message, privateKey);
      const session = await open('public', pkcs1, hash);
      const ask = requestHead(virtio.VIRTIO_CRYPTO_AKCIPHER_VERIFY, session, [bytes, digest.length]);
      expect(await guest.request([ask, signature, digest], [1])).toMatchObject({ status: ok, written: 1 });
      signature[9] ^= 4;
      const wrong = await guest.request([ask, signature, digest], [1]);
      expect(wrong.status).toBe(virtio.VIRTIO_CRYPTO_KEY_REJECTED);
    },
  );

  it('of a public key neither signs nor decrypts', async () => {
    const session = await open('public', pkcs1);
    for (const opcode of [virtio.VIRTIO_CRYPTO_AKCIPHER_SIGN, virtio.VIRTIO_CRYPTO_AKCIPHER_DECRYPT]) {
      const { status } = await guest.request(
        [requestHead(opcode, session, [20, bytes]), Buffer.alloc(20)],
        [bytes, 1],
      );
      expect(status).toBe(virtio.VIRTIO_CRYPTO_KEY_REJECTED);
    }
  });
});
