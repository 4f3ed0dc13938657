// Requests that make no sense: each gets its status, and nothing else of the driver's memory changes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CryptoGuest, cipherSession, requestHead, symmetric } from '../../test-support/crypto-guest.ts';
import { cryptoStats } from './crypto-calls.ts';
import * as virtio from './numbers.ts';

const {
  VIRTIO_CRYPTO_BADMSG: badmsg,
  VIRTIO_CRYPTO_INVSESS: invsess,
  VIRTIO_CRYPTO_NOTSUPP: notsupp,
} = virtio;
const key = new Uint8Array(16).fill(1);
const [encrypt, decrypt] = [virtio.VIRTIO_CRYPTO_CIPHER_ENCRYPT, virtio.VIRTIO_CRYPTO_CIPHER_DECRYPT];
const huge = 0xffff_ffff;

let guest: CryptoGuest;
/** Sessions: 1 a cipher, 2 a chain, 3 a MAC, 4 AEAD that encrypts, 5 AEAD that decrypts, 6 a hash. */
beforeAll(async () => {
  guest = await CryptoGuest.start({ create: { maxDataBytes: 4096 } });
  const mac = { hashAlgorithm: virtio.VIRTIO_CRYPTO_MAC_HMAC_SHA1, authKey: key, hashResultBytes: 20 };
  await guest.open(cipherSession(key));
  await guest.open({ ...cipherSession(key), ...mac, opType: 2, hashMode: 2, chainOrder: 2 });
  await guest.open(symmetric(mac), virtio.VIRTIO_CRYPTO_MAC_CREATE_SESSION);
  for (const encrypts of [true, false]) {
    const aead = cipherSession(key, encrypts, virtio.VIRTIO_CRYPTO_AEAD_GCM);
    await guest.open({ ...aead, hashResultBytes: 16 }, virtio.VIRTIO_CRYPTO_AEAD_CREATE_SESSION);
  }
  await guest.open(symmetric(mac), virtio.VIRTIO_CRYPTO_HASH_CREATE_SESSION);
});
afterAll(() => guest[Symbol.asyncDispose]());

/** Sends 200 bytes behind the head, with room for 100 and the status. */
const ask = (head: Uint8Array, sent = 200, room = 100) =>
  guest.request([head, new Uint8Array(sent)], [room, 1]);

describe('a request', () => {
  it.each([
    ['no session', requestHead(encrypt, 0, [16, 16, 16], 1), invsess],
    ['a session that there is not', requestHead(encrypt, 77, [16, 16, 16], 1), invsess],
    ['an opcode that there is not', requestHead(0x500, 1, [16, 16, 16], 1), notsupp],
    [
      'an opcode of opening',
      requestHead(virtio.VIRTIO_CRYPTO_CIPHER_CREATE_SESSION, 1, [16, 16, 16], 1),
      notsupp,
    ],
    ['the other direction', requestHead(decrypt, 1, [16, 16, 16], 1), badmsg],
    ['no kind', requestHead(encrypt, 1, [16, 16, 16], 0), notsupp],
    ['a kind that there is not', requestHead(encrypt, 1, [16, 16, 16], 3), notsupp],
    ['a kind that its session is not', requestHead(encrypt, 1, [16, 16, 16], 2), invsess],
    ['a chain that is a cipher only', requestHead(encrypt, 2, [16, 16, 16], 1), invsess],
    ['a MAC by a cipher', requestHead(virtio.VIRTIO_CRYPTO_MAC, 1, [16, 20]), invsess],
    ['a hash by a MAC', requestHead(virtio.VIRTIO_CRYPTO_HASH, 3, [16, 20]), invsess],
    ['a MAC by a hash', requestHead(virtio.VIRTIO_CRYPTO_MAC, 6, [16, 20]), invsess],
    ['AEAD by a cipher', requestHead(virtio.VIRTIO_CRYPTO_AEAD_ENCRYPT, 1, [12, 0, 16, 32]), invsess],
    ['RSA by a cipher', requestHead(virtio.VIRTIO_CRYPTO_AKCIPHER_SIGN, 1, [16, 16]), invsess],
    ['no IV', requestHead(encrypt, 1, [0, 16, 16], 1), badmsg],
    ['a short IV', requestHead(encrypt, 1, [15, 16, 16], 1), badmsg],
    ['a long IV', requestHead(encrypt, 1, [65, 16, 16], 1), badmsg],
    ['an IV of 4 GiB', requestHead(encrypt, 1, [huge, 16, 16], 1), badmsg],
    ['half a block', requestHead(encrypt, 1, [16, 24, 24], 1), badmsg],
    ['more source than was sent', requestHead(encrypt, 1, [16, 192, 96], 1), badmsg],
    ['a source of 4 GiB', requestHead(encrypt, 1, [16, huge, 96], 1), badmsg],
    ['a source beyond what is allowed', requestHead(encrypt, 1, [16, 4112, 4112], 1), badmsg],
    ['a destination shorter than its source', requestHead(encrypt, 1, [16, 32, 16], 1), badmsg],
    ['no destination', requestHead(encrypt, 1, [16, 32, 0], 1), badmsg],
    ['a destination where its status is', requestHead(encrypt, 1, [16, 96, 101], 1), badmsg],
    ['a destination of 4 GiB', requestHead(encrypt, 1, [16, 96, huge], 1), badmsg],
    ['a cipher beyond its source', requestHead(encrypt, 2, [16, 64, 64, 16, 64, 0, 0, 0, 20], 2), badmsg],
    ['a cipher from 4 GiB on', requestHead(encrypt, 2, [16, 64, 64, huge, 16, 0, 0, 0, 20], 2), badmsg],
    ['a cipher of half a block', requestHead(encrypt, 2, [16, 64, 64, 0, 8, 0, 0, 0, 20], 2), badmsg],
    ['a hash beyond its source', requestHead(encrypt, 2, [16, 64, 64, 0, 64, 1, 64, 0, 20], 2), badmsg],
    ['a hash of 4 GiB', requestHead(encrypt, 2, [16, 64, 64, 0, 64, 0, huge, 0, 20], 2), badmsg],
    ['additional data in a chain', requestHead(encrypt, 2, [16, 64, 64, 0, 64, 0, 64, 8, 20], 2), notsupp],
    ['a result that its hash has not', requestHead(encrypt, 2, [16, 64, 64, 0, 64, 0, 64, 0, 19], 2), badmsg],
    ['a result without room', requestHead(encrypt, 2, [16, 64, 96, 0, 64, 0, 64, 0, 20], 2), badmsg],
    ['a MAC of another length', requestHead(virtio.VIRTIO_CRYPTO_MAC, 3, [16, 32]), badmsg],
    ['a MAC of more than was sent', requestHead(virtio.VIRTIO_CRYPTO_MAC, 3, [201, 20]), badmsg],
    ['a tag without room', requestHead(virtio.VIRTIO_CRYPTO_AEAD_ENCRYPT, 4, [12, 0, 64, 79]), badmsg],
    ['AEAD without IV', requestHead(virtio.VIRTIO_CRYPTO_AEAD_ENCRYPT, 4, [0, 0, 64, 80]), badmsg],
    [
      'more additional data than was sent',
      requestHead(virtio.VIRTIO_CRYPTO_AEAD_ENCRYPT, 4, [12, 125, 64, 80]),
      badmsg,
    ],
    ['less than a tag', requestHead(virtio.VIRTIO_CRYPTO_AEAD_DECRYPT, 5, [12, 0, 15, 16]), badmsg],
    ['a tag that does not fit', requestHead(virtio.VIRTIO_CRYPTO_AEAD_DECRYPT, 5, [12, 0, 32, 16]), badmsg],
    [
      'AEAD in the other direction',
      requestHead(virtio.VIRTIO_CRYPTO_AEAD_DECRYPT, 4, [12, 0, 32, 16]),
      badmsg,
    ],
  ])('with %s gets its status, and nothing is written', async (_, head, status) => {
    const answer = await ask(head);
    expect([answer.status, answer.written]).toEqual([status, 1]);
    expect(answer.data.every((byte) => byte === 0xee)).toBe(true);
  });

  it('with a session beyond 32 bits has none', async () => {
    const head = requestHead(encrypt, 1, [16, 16, 16], 1);
    head[12] = 1;
    expect((await ask(head)).status).toBe(invsess);
  });

  it.each([0, 1, 24, 71])('of %i bytes makes no sense', async (bytes) => {
    const head = requestHead(encrypt, 1, [16, 16, 16], 1).subarray(0, bytes);
    const { status } = await guest.request(bytes === 0 ? [] : [head], [100, 1]);
    expect(status).toBe(badmsg);
  });

  it('without room for its status is not carried out, and comes back', async () => {
    const driver = guest.pair.guest.rings[0];
    const head = requestHead(encrypt, 1, [16, 16, 16], 1);
    const [id] = driver.expose([{ address: driver.memory.put(head), length: head.length }]);
    expect(await guest.serve()).toBe(0);
    expect(driver.used()).toEqual([{ id, length: 0 }]);
  });

  it('that makes no sense does not keep others, and is counted', async () => {
    const before = cryptoStats(guest.pair.device);
    const right = requestHead(encrypt, 1, [16, 16, 16], 1);
    const wrong = requestHead(encrypt, 9, [16, 16, 16], 1);
    const driver = guest.pair.guest.rings[0];
    const heads = [wrong, right, wrong, wrong, right, right, wrong];
    const rooms = heads.map((head) => {
      const room = driver.memory.put(new Uint8Array(17).fill(0xee));
      driver.expose([
        { address: driver.memory.put(Buffer.concat([head, Buffer.alloc(32)])), length: 104 },
        { address: room, length: 17, writable: true },
      ]);
      return room;
    });
    expect(await guest.serve()).toBe(3);
    const statuses = rooms.map((room) => driver.memory.read(room + 16, 1)[0]);
    expect(statuses).toEqual(heads.map((head) => (head === wrong ? invsess : virtio.VIRTIO_CRYPTO_OK)));
    expect(driver.used()).toHaveLength(heads.length);
    const { requests, refused } = cryptoStats(guest.pair.device);
    expect([requests - before.requests, refused - before.refused]).toEqual([3, 4]);
  });
});
