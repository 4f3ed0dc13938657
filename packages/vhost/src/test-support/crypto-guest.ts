import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import type { ScriptedBuffer } from '@vio/rings/testing';
import {
  cryptoCreate,
  cryptoFetchRequests,
  cryptoFinalizeRequests,
  cryptoPerform,
} from '../backend/crypto/crypto-calls.ts';
import type { CryptoEngine } from '../backend/crypto/crypto-engine.ts';
import { cryptoDeviceType } from '../backend/crypto/crypto-type.ts';
import { nodeCryptoEngine } from '../backend/crypto/engine/node-crypto-engine.ts';
import * as virtio from '../backend/crypto/numbers.ts';
import type { CryptoOptions } from '../backend/crypto/crypto-options.ts';
import {
  type AsymmetricSession,
  type CryptoSessionLayout,
  type SymmetricSession,
  cryptoSession,
  cryptoSessionReply,
  frontendRequests as requests,
} from '../wire/index.ts';
import { Pair, type PairOptions } from './pair.ts';

const none = new Uint8Array(0);

/** A symmetric session in which nothing is said but this. */
export function symmetric(fields: Partial<SymmetricSession>): SymmetricSession {
  return {
    algorithm: 0,
    key: none,
    hashAlgorithm: 0,
    authKey: none,
    hashResultBytes: 0,
    aadBytes: 0,
    opType: 0,
    direction: 0,
    hashMode: 0,
    chainOrder: 0,
    ...fields,
  };
}

/** A session of AES-CBC, or of another mode. */
export function cipherSession(
  key: Uint8Array,
  encrypts = true,
  algorithm = virtio.VIRTIO_CRYPTO_CIPHER_AES_CBC,
) {
  const direction = encrypts ? virtio.VIRTIO_CRYPTO_OP_ENCRYPT : virtio.VIRTIO_CRYPTO_OP_DECRYPT;
  return symmetric({ algorithm, key, direction, opType: virtio.VIRTIO_CRYPTO_SYM_OP_CIPHER });
}

/** The first 72 bytes of a request. @param lengths in their order @param opType of ciphers */
export function requestHead(
  opcode: number,
  session: number,
  lengths: readonly number[],
  opType = 0,
): Uint8Array {
  const view = new DataView(new ArrayBuffer(72));
  view.setUint32(0, opcode, true);
  view.setUint32(8, session, true);
  lengths.forEach((length, i) => view.setUint32(24 + 4 * i, length, true));
  if (opType !== 0) view.setUint32(64, opType, true);
  return new Uint8Array(view.buffer);
}

/** What a request got back. */
export interface CryptoAnswer {
  /** Of the request: its last byte; what nobody has written is 0xee. */
  readonly status: number;
  /** The room in front of it. */
  readonly data: Buffer;
  /** Bytes that the used ring says were written. */
  readonly written: number;
}

export interface CryptoGuestOptions extends Omit<PairOptions, 'flags'> {
  readonly engine?: CryptoEngine;
  readonly create?: CryptoOptions;
  readonly queues?: number;
}

/** A crypto device whose driver and frontend say what a test says. `await using` it. */
export class CryptoGuest implements AsyncDisposable {
  readonly pair: Pair;

  private constructor(pair: Pair) {
    this.pair = pair;
  }

  static async start({ engine = nodeCryptoEngine, create, queues = 1, ...options }: CryptoGuestOptions = {}) {
    const pair = await Pair.start({
      ...options,
      flags: { type: cryptoDeviceType(engine, { queues }) },
      instead: { SET_STATUS: 'skip', ...options.instead },
      guest: options.guest ?? {
        rings: queues,
        size: 32,
        features: VIRTIO_F_VERSION_1 | (1n << 28n),
        ring: { indirect: true },
      },
    });
    cryptoCreate(pair.device, engine, create);
    return new CryptoGuest(pair);
  }

  /** Opens a session. @returns its number, or what is less than 0 */
  async open(
    session: SymmetricSession | AsymmetricSession,
    opcode: number = virtio.VIRTIO_CRYPTO_CIPHER_CREATE_SESSION,
    layout: CryptoSessionLayout = 'qemu-8.0',
  ): Promise<number> {
    return this.openRaw(cryptoSession.encode({ layout, opcode, session }, 'test'));
  }

  async openRaw(payload: Uint8Array): Promise<number> {
    const reply = await this.pair.frontend.ask(requests.CREATE_CRYPTO_SESSION, payload);
    return cryptoSessionReply.decode(reply ?? none, 'test').id;
  }

  /** Makes a request available. @returns reads what it got */
  expose(
    sent: readonly Uint8Array[],
    room: readonly number[],
    inPlace?: { address: number; length: number },
  ) {
    const driver = this.pair.guest.rings[0];
    const { memory } = driver;
    const rooms: ScriptedBuffer[] = room.map((length) => ({
      address: memory.put(new Uint8Array(length).fill(0xee)),
      length,
      writable: true,
    }));
    if (inPlace !== undefined) rooms.unshift({ ...inPlace, writable: true });
    const buffers = sent.map((bytes) => ({ address: memory.put(bytes), length: bytes.length }));
    if (inPlace !== undefined) buffers.push({ address: inPlace.address, length: inPlace.length });
    driver.expose([{ table: [...buffers, ...rooms] }]);
    return (): CryptoAnswer => {
      const got = Buffer.concat(rooms.map(({ address, length }) => memory.read(Number(address), length)));
      const [{ length: written }] = driver.used();
      return { status: got.at(-1) ?? -1, data: got.subarray(0, -1), written };
    };
  }

  /** Carries out what is there. @returns how many requests */
  async serve(queue = 0): Promise<number> {
    const operations = cryptoFetchRequests(this.pair.device, queue);
    await cryptoPerform(operations);
    return cryptoFinalizeRequests(operations);
  }

  /** One request, from beginning to end. */
  async request(sent: readonly Uint8Array[], room: readonly number[]): Promise<CryptoAnswer> {
    const answer = this.expose(sent, room);
    await this.serve();
    return answer();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pair[Symbol.asyncDispose]();
  }
}
