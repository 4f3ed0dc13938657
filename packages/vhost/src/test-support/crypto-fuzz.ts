import { createCipheriv, createHmac, generateKeyPairSync } from 'node:crypto';
import { VioError } from '@vio/native';
import { createDeviceQueue } from '@vio/rings';
import {
  FuzzLog,
  type Fuzzed,
  Random,
  type ScriptedBuffer,
  ScriptedDriver,
  freshMemory,
} from '@vio/rings/testing';
import { nodeCryptoEngine } from '../backend/crypto/engine/node-crypto-engine.ts';
import * as virtio from '../backend/crypto/numbers.ts';
import { VhostCrypto, performAll } from '../backend/crypto/vhost-crypto.ts';
import { ServedRing } from '../backend/raw/raw-vring.ts';
import {
  type AsymmetricSession,
  type CryptoSessionLayout,
  type Message,
  type SymmetricSession,
  cryptoSession,
  cryptoSessionReply,
} from '../wire/index.ts';
import { cipherSession, requestHead, symmetric } from './crypto-guest.ts';

const guestAddress = 0x1000_0000;
const memoryBytes = 1 << 14;
const mostDataBytes = 2048;
const key = new Uint8Array(16).fill(0x4b);
const iv = new Uint8Array(16).fill(0x17);
const telling = [
  0, 1, 2, 3, 15, 16, 17, 20, 71, 72, 255, 256, 2047, 2048, 2049, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];

const mac = { hashAlgorithm: virtio.VIRTIO_CRYPTO_MAC_HMAC_SHA1, authKey: key, hashResultBytes: 20 };
const chained = { ...mac, opType: virtio.VIRTIO_CRYPTO_SYM_OP_ALGORITHM_CHAINING, hashMode: 2 };
const rsaKey = generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey.export({
  type: 'pkcs1',
  format: 'der',
});
const rsa = { algorithm: 1, keyType: 2, key: rsaKey, padding: 1, hashAlgorithm: 0 };

/** Sessions of every kind, by their opcode. */
const sessions: readonly (readonly [number, SymmetricSession | AsymmetricSession])[] = [
  [virtio.VIRTIO_CRYPTO_CIPHER_CREATE_SESSION, cipherSession(key)],
  [
    virtio.VIRTIO_CRYPTO_CIPHER_CREATE_SESSION,
    cipherSession(key, false, virtio.VIRTIO_CRYPTO_CIPHER_AES_CTR),
  ],
  [virtio.VIRTIO_CRYPTO_CIPHER_CREATE_SESSION, { ...cipherSession(key), ...chained, chainOrder: 1 }],
  [virtio.VIRTIO_CRYPTO_CIPHER_CREATE_SESSION, { ...cipherSession(key), ...chained, chainOrder: 2 }],
  [virtio.VIRTIO_CRYPTO_MAC_CREATE_SESSION, symmetric(mac)],
  [virtio.VIRTIO_CRYPTO_HASH_CREATE_SESSION, symmetric(mac)],
  [
    virtio.VIRTIO_CRYPTO_AEAD_CREATE_SESSION,
    { ...cipherSession(key, true, virtio.VIRTIO_CRYPTO_AEAD_GCM), hashResultBytes: 16 },
  ],
  [virtio.VIRTIO_CRYPTO_AKCIPHER_CREATE_SESSION, rsa],
];
const opcodes = [0x000, 0x001, 0x100, 0x200, 0x300, 0x301, 0x400, 0x401, 0x402, 0x403, 0x002, 0x500];

/** A request: its head, how much it sends, and how much room it has. */
interface Asked {
  readonly head: Uint8Array;
  readonly sent: number;
  readonly room: number;
}

/** Requests that are right, one for each session; the first one's result is known. */
const samples: readonly Asked[] = [
  { head: requestHead(0x000, 1, [16, 64, 64], 1), sent: 80, room: 64 },
  { head: requestHead(0x001, 2, [16, 50, 50], 1), sent: 66, room: 50 },
  { head: requestHead(0x000, 3, [16, 64, 64, 16, 32, 0, 64, 0, 20], 2), sent: 80, room: 84 },
  { head: requestHead(0x000, 4, [16, 64, 64, 0, 64, 8, 40, 0, 20], 2), sent: 80, room: 84 },
  { head: requestHead(0x200, 5, [100, 20]), sent: 100, room: 20 },
  { head: requestHead(0x100, 6, [100, 20]), sent: 100, room: 20 },
  { head: requestHead(0x300, 7, [16, 8, 40, 56]), sent: 64, room: 56 },
  { head: requestHead(0x402, 8, [16, 64]), sent: 16, room: 64 },
];

/**
 * Requests with every length wrong, buffers cut anywhere, overlapping and of the same memory: none throws, each comes back once with a
 * status, nothing is written beside its room, and what was right is carried out.
 */
export function fuzzCryptoRequests(states: number, seed: number): Fuzzed {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  const crypto = new VhostCrypto(nodeCryptoEngine, { maxDataBytes: mostDataBytes });
  for (const [opcode, session] of sessions) open(crypto, opcode, session);
  while (log.open) {
    log.state(() => {
      crypto.zeroCopy = random.chance(0.5);
      return oneRequest(crypto, random, log);
    });
  }
  return log.result();
}

function oneRequest(crypto: VhostCrypto, random: Random, log: FuzzLog): string | undefined {
  const format = random.chance(0.5) ? 'split' : 'packed';
  const memory = freshMemory({ guestAddress, size: memoryBytes });
  const features = { format, inOrder: false, indirect: true, eventIdx: false } as const;
  const driver = new ScriptedDriver({ memory, size: 32, features });
  const { u8 } = memory.windows[0].region;
  const ring = new ServedRing(0, {
    onKick: () => () => {},
    call() {},
    alwaysCalls: () => false,
    broken: (fault) => log.saw(`broken ${fault.code}`),
    failed: (error) => log.found(`it threw ${String(error)}`),
    lookAtMemory() {},
  });
  ring.start(createDeviceQueue(driver.device), memory);
  const which = random.below(samples.length);
  const sample = samples[which];
  const wrong = random.chance(0.8);
  const asked = wrong ? damaged(sample, random) : sample;
  const overlapping = random.chance(0.2);
  const sent = Buffer.concat([
    asked.head,
    iv.subarray(0, Math.min(16, asked.sent)),
    Buffer.alloc(Math.max(0, asked.sent - 16), 0x61),
  ]);
  const place = driver.memory.put(sent);
  const roomAt = overlapping
    ? place + random.below(sent.length + 1)
    : driver.memory.put(new Uint8Array(asked.room + 1).fill(0xee));
  const readable = pieces(place, sent.length, false, random);
  const writable = pieces(roomAt, asked.room + 1, true, random);
  const chain = [...readable, ...writable];
  const [id] = driver.expose(chain.length < 28 ? [{ table: chain }] : [{ table: chain.slice(0, 28) }]);
  const exposed = u8.slice();
  const operations = crypto.fetch(ring, 32);
  const status = performAll(operations);
  if (status !== undefined) return 'an operation takes its time';
  VhostCrypto.finalize(operations, 0, operations.length);
  if (ring.queue?.broken !== undefined) return `the ring broke: ${ring.queue.broken.code}`;
  const used = driver.used();
  if (used.length !== 1 || used[0].id !== id) return `it came back as ${JSON.stringify(used)}`;
  const shown = chain.slice(0, 28).filter((buffer) => buffer.writable === true);
  const roomShown = shown.reduce((sum, { length }) => sum + length, 0);
  if (used[0].length > roomShown) return `${used[0].length} bytes written to room of ${roomShown}`;
  const after = u8.slice();
  const stray = strayWrite(exposed, after, shown, driver);
  if (stray !== undefined) return `a byte at 0x${stray.toString(16)} was changed`;
  if (roomShown === 0) return undefined;
  const last = shown.findLast(({ length }) => length > 0);
  const told = last === undefined ? -1 : after[Number(last.address) + last.length - 1 - guestAddress];
  if (told < 0 || told > virtio.VIRTIO_CRYPTO_KEY_REJECTED) return `the status is ${told}`;
  log.saw(`status ${told}`);
  if (wrong || chain.length > 28) return undefined;
  if (told !== virtio.VIRTIO_CRYPTO_OK) return `request ${which}, which is right, got ${told}`;
  log.saw(crypto.zeroCopy ? 'right, with zero copy' : 'right, with copies');
  const result = Buffer.from(after.subarray(roomAt - guestAddress, roomAt - guestAddress + asked.room));
  return overlapping ? undefined : known(which, sent.subarray(72), result);
}

/** What is wrong with the result of a request whose result is easily told. */
function known(which: number, sent: Uint8Array, result: Buffer): string | undefined {
  let expected: Buffer | undefined;
  if (which === 0) expected = createCipheriv('aes-128-cbc', key, iv).update(sent.subarray(16));
  if (which === 4) expected = createHmac('sha1', key).update(sent).digest();
  return expected === undefined || expected.equals(result)
    ? undefined
    : `request ${which} has another result`;
}

/** A request with some of its numbers changed, and more or less of what it should bring. */
function damaged({ head, sent, room }: Asked, random: Random): Asked {
  const copy = head.slice();
  const view = new DataView(copy.buffer);
  for (let i = 1 + random.below(3); i > 0; i--) {
    const value = random.chance(0.8) ? random.pick(telling) : random.u32();
    view.setUint32(24 + 4 * random.below(12), value, true);
  }
  if (random.chance(0.2)) view.setUint32(0, random.pick(opcodes), true);
  if (random.chance(0.2)) view.setUint32(8, random.below(10), true);
  const other = (bytes: number): number => (random.chance(0.2) ? random.below(2 * bytes + 2) : bytes);
  const short = random.chance(0.1) ? copy.subarray(0, random.below(copy.length)) : copy;
  return { head: short, sent: other(sent), room: other(room) };
}

/** Cuts a place in memory into buffers; some are empty. */
function pieces(address: number, bytes: number, writable: boolean, random: Random): ScriptedBuffer[] {
  const parts: ScriptedBuffer[] = [];
  for (let at = 0; at < bytes && parts.length < 12;) {
    const length =
      parts.length === 11 ? bytes - at : Math.min(bytes - at, random.below(random.pick([2, 40, 4000])));
    parts.push({ address: address + at, length, writable });
    at += length;
  }
  return parts;
}

/** The first byte that changed though it is neither room nor the ring's; undefined: none. */
function strayWrite(
  before: Uint8Array,
  after: Uint8Array,
  room: readonly ScriptedBuffer[],
  { memory, addresses, size }: ScriptedDriver,
): number | undefined {
  const allowed = new Uint8Array(before.length);
  const allow = (at: number, bytes: number): void => void allowed.fill(1, at, at + bytes);
  for (const { address, length } of room) allow(Number(address) - guestAddress, length);
  const base = memory.base - guestAddress;
  allow(base + addresses.descriptors.offset, 16 * size);
  allow(base + addresses.device.offset, 8 * size + 6);
  if (Buffer.compare(before, after) === 0) return undefined;
  for (let i = 0; i < after.length; i++)
    if (after[i] !== before[i] && allowed[i] === 0) return guestAddress + i;
  return undefined;
}

function open(crypto: VhostCrypto, opcode: number, session: SymmetricSession | AsymmetricSession): number {
  const payload = cryptoSession.encode({ layout: 'qemu-8.0', opcode, session }, 'fuzz');
  return cryptoSessionReply.decode(crypto.handle(message(26, payload)) ?? payload, 'fuzz').id;
}

const message = (request: number, payload: Uint8Array): Message => ({
  request,
  flags: 1,
  size: payload.length,
  payload,
  fds: [],
});

/** Sessions with anything in them, opened and closed: each is answered by a number, of a session or of what is wrong, or refused by its size. */
export function fuzzCryptoSessions(states: number, seed: number): Fuzzed {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  const most = 50;
  const crypto = new VhostCrypto(nodeCryptoEngine, { maxSessions: most });
  const layouts: readonly CryptoSessionLayout[] = ['qemu-2.12', 'qemu-8.0'];
  while (log.open) {
    log.state(() => {
      if (random.chance(0.3)) {
        const payload = new Uint8Array(8);
        new DataView(payload.buffer).setUint32(0, random.below(log.states + 2), true);
        crypto.handle(message(27, payload));
        return crypto.counts.sessions <= most ? undefined : 'too many are open';
      }
      const [opcode, session] = random.pick(sessions);
      const layout = 'keyType' in session ? 'qemu-8.0' : random.pick(layouts);
      let payload = cryptoSession.encode({ layout, opcode, session }, 'fuzz');
      for (let i = random.below(4); i > 0; i--)
        payload[random.below(random.pick([64, payload.length]))] = random.chance(0.5)
          ? random.below(4)
          : random.u32();
      if (random.chance(0.02)) payload = payload.slice(0, 1 + random.below(payload.length));
      try {
        const reply = crypto.handle(message(26, payload));
        if (reply === undefined || reply.length !== payload.length) return 'the answer has another size';
        const { id } = cryptoSessionReply.decode(reply, 'fuzz');
        log.saw(id > 0 ? 'opened' : `refused ${-id}`);
        return id > 0 || -id <= virtio.VIRTIO_CRYPTO_KEY_REJECTED ? undefined : `the answer is ${id}`;
      } catch (error) {
        if (!VioError.is(error) || error.code !== 'VIO_VHOST_MESSAGE_SIZE') throw error;
        log.saw('no size');
        return undefined;
      }
    });
  }
  return log.result();
}
