import { describe, expect, it } from 'vitest';
import { symmetric } from '../test-support/crypto-guest.ts';
import { type CryptoSessionLayout, cryptoSession, cryptoSessionReply } from './crypto-session.ts';

const cipherCreate = 0x002;
const akcipherCreate = 0x404;
const key = Uint8Array.from({ length: 16 }, (_, i) => i);
const authKey = new Uint8Array(20).fill(7);

/** The beginning of what QEMU 7.2 sends for a key of AES-CBC that encrypts; zeroes follow the key. */
const asQemu72 = [
  '0000000000000000 03000000 10000000 00000000 00000000 00000000 00000000 01010000 00000000',
  '803b5af4657f0000 0000000000000000 000102030405060708090a0b0c0d0e0f',
]
  .join('')
  .replaceAll(' ', '');

describe('a session', () => {
  it('of QEMU 7.2 is read, pointers and all', () => {
    const payload = new Uint8Array(632);
    payload.set(Buffer.from(asQemu72, 'hex'));
    expect(cryptoSession.decode(payload, 'test')).toEqual({
      layout: 'qemu-7.1',
      opcode: cipherCreate,
      session: symmetric({ algorithm: 3, key, opType: 1, direction: 1 }),
    });
  });

  it.each(['qemu-2.12', 'qemu-7.1', 'qemu-8.0'] as const)(
    'in the layout %s is read as it was written',
    (layout) => {
      const session = symmetric({
        algorithm: 3,
        key,
        hashAlgorithm: 4,
        authKey,
        hashResultBytes: 32,
        aadBytes: 5,
        opType: 2,
        direction: 2,
        hashMode: 2,
        chainOrder: 1,
      });
      const payload = cryptoSession.encode({ layout, opcode: cipherCreate, session }, 'test');
      expect(cryptoSession.decode(payload, 'test')).toEqual({ layout, opcode: cipherCreate, session });
    },
  );

  it.each(['qemu-2.12', 'qemu-8.0'] as const)('of a MAC is told from a cipher in the layout %s', (layout) => {
    const request = {
      layout,
      opcode: 0x202,
      session: symmetric({ hashAlgorithm: 2, authKey, hashResultBytes: 20 }),
    };
    expect(cryptoSession.decode(cryptoSession.encode(request, 'test'), 'test')).toEqual(request);
  });

  it('with an asymmetric key is read as it was written', () => {
    const session = {
      algorithm: 1,
      keyType: 2,
      key: new Uint8Array(700).fill(3),
      padding: 1,
      hashAlgorithm: 6,
    };
    const request = { layout: 'qemu-8.0', opcode: akcipherCreate, session } as const;
    const payload = cryptoSession.encode(request, 'test');
    expect(payload.length).toBe(1072);
    expect(cryptoSession.decode(payload, 'test')).toEqual(request);
  });

  it.each<[string, CryptoSessionLayout, number]>([
    ['a MAC', 'qemu-7.1', 0x202],
    ['AEAD', 'qemu-7.1', 0x302],
  ])('of %s cannot be said in a layout without opcode', (_, layout, opcode) => {
    const encode = (): unknown => cryptoSession.encode({ layout, opcode, session: symmetric({}) }, 'test');
    expect(encode).toThrow(expect.objectContaining({ code: 'VIO_VHOST_MESSAGE_VALUE' }));
  });

  it.each([0, 1, 631, 633, 1071, 1073, 2048])('of %i bytes has no layout', (bytes) => {
    const decode = (): unknown => cryptoSession.decode(new Uint8Array(bytes), 'test');
    expect(decode).toThrow(expect.objectContaining({ code: 'VIO_VHOST_MESSAGE_SIZE' }));
  });

  it.each([
    ['cipher', 12, 65],
    ['cipher', 12, 0xffff_ffff],
    ['authentication', 24, 513],
  ])('whose %s key is longer than its room is refused', (_, at, bytes) => {
    const payload = new Uint8Array(1072);
    new DataView(payload.buffer).setUint32(at, bytes, true);
    expect(() => cryptoSession.decode(payload, 'test')).toThrow(
      expect.objectContaining({ code: 'VIO_VHOST_MESSAGE_VALUE' }),
    );
  });
});

it.each<[CryptoSessionLayout, number, number]>([
  ['qemu-2.12', 632, 0],
  ['qemu-7.1', 632, 0],
  ['qemu-8.0', 1072, 1064],
])(
  'the answer in the layout %s is as long as the question, and has its number at its place',
  (layout, bytes, at) => {
    for (const id of [1, 0xffff_ffff, -2]) {
      const reply = cryptoSessionReply.encode({ layout, id }, 'test');
      expect([reply.length, Number(new DataView(reply.buffer).getBigInt64(at, true))]).toEqual([bytes, id]);
    }
  },
);
