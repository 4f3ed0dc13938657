import { VioError } from '@vio/native';
import { FuzzLog, type Fuzzed, Random } from '@vio/rings/testing';
import { backendRequests } from '../wire/backend-requests.ts';
import { FakeStream } from './fake-stream.ts';
import { frontendRequests } from '../wire/frontend-requests.ts';
import { encodeRaw, headerBytes } from '../wire/message.ts';
import { MessageReader, maxPayloadBytes } from '../wire/message-reader.ts';
import type { PayloadCodec } from '../wire/payload-codec.ts';
import type { Request } from '../wire/request.ts';

const rows: readonly Request<unknown, unknown>[] = [
  ...Object.values<Request<unknown, unknown>>(frontendRequests),
  ...Object.values<Request<unknown, unknown>>(backendRequests),
];
const region = { guestAddress: 0x1_0000_0000, userAddress: 0x7f00_0000_0000, size: 0x8_0000, mmapOffset: 0 };
const part = { offset: 0, flags: 0, data: new Uint8Array(12) };
const area = { mmapSize: 4096, mmapOffset: 0, queues: 2, queueSize: 256 };
/** Payloads that are right, of requests that have conditions: each is damaged, or not. */
const samples = new Map<PayloadCodec<unknown>, Uint8Array>([
  sample(frontendRequests.SET_MEM_TABLE.payload, [region, { ...region, guestAddress: 0x2_0000_0000 }]),
  sample(frontendRequests.ADD_MEM_REG.payload, region),
  sample(frontendRequests.SET_VRING_ADDR.payload, {
    index: 1,
    flags: 0,
    descriptors: 0x7f00_0000_0000,
    driver: 0x7f00_0000_1000,
    device: 0x7f00_0000_2000,
    log: 0,
  }),
  sample(frontendRequests.GET_CONFIG.payload, part),
  sample(frontendRequests.GET_INFLIGHT_FD.payload, area),
  sample(frontendRequests.SET_VRING_KICK.payload, { index: 3, hasFd: true }),
]);
/** Numbers that mean something somewhere. */
const telling = [0, 0, 0, 1, 2, 3, 8, 15, 255, 256, 4096, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/** Payloads of every kind with anything in them: a codec refuses them by a VioError, or says them again. */
export function fuzzPayloads(states: number, seed: number): Fuzzed {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  while (log.open) {
    log.state(() => {
      const row = random.pick(rows);
      const answer = row.reply !== undefined && random.chance(0.3);
      const codec = row.reply !== undefined && answer ? row.reply : row.payload;
      const bytes = randomPayload(random, codec);
      const value = refusable(() => codec.decode(bytes, row.name));
      if (value === refused) return undefined;
      log.saw(answer ? `answer to ${row.name}` : row.name);
      const again = codec.encode(value, row.name);
      const third = codec.encode(codec.decode(again, row.name), row.name);
      return Buffer.compare(again, third) === 0 ? undefined : `${row.name} does not say the same again`;
    });
  }
  return log.result();
}

const refused = Symbol('refused');

/** What `decode` answers; `refused` when it refuses. */
function refusable<T>(decode: () => T): T | typeof refused {
  try {
    return decode();
  } catch (error) {
    if (VioError.is(error) && error.code.startsWith('VIO_VHOST_')) return refused;
    throw error;
  }
}

function sample<T>(codec: PayloadCodec<T>, value: T): [PayloadCodec<unknown>, Uint8Array] {
  return [codec, codec.encode(value, 'a sample')];
}

function randomPayload(random: Random, codec: PayloadCodec<unknown>): Uint8Array {
  const { minBytes, maxBytes } = codec;
  const right = samples.get(codec);
  if (right !== undefined && random.chance(0.7)) {
    const damaged = right.slice();
    for (let i = random.below(3); i > 0; i--) damaged[random.below(damaged.length)] = random.pick(telling);
    return damaged;
  }
  const room = Math.min(maxBytes, 512);
  const length = random.chance(0.7) ? minBytes : minBytes + random.below(room - minBytes + 1);
  const bytes = new Uint8Array(random.chance(0.95) ? length : random.below(600));
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    view.setUint32(at, random.chance(0.8) ? random.pick(telling) : random.u32(), true);
  }
  if (bytes.length % 4 !== 0) random.scramble(bytes, bytes.length - (bytes.length % 4));
  return bytes;
}

/** Streams of messages, cut anywhere: the reader gives the messages that were sent, up to one that it refuses. */
export function fuzzReader(states: number, seed: number): Fuzzed {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  while (log.open) {
    log.state(() => {
      const stream = new FakeStream();
      const reader = new MessageReader(stream);
      const messages = Array.from({ length: 1 + random.below(4) }, () => randomMessage(random));
      const whole = Buffer.concat(messages);
      for (let at = 0; at < whole.length;) {
        const end = Math.min(whole.length, at + 1 + random.below(random.pick([4, 40, 5000])));
        stream.put(whole.subarray(at, end));
        at = end;
      }
      if (random.chance(0.5)) stream.end();
      for (let at = 0; ;) {
        const read = refusable(() => reader.read());
        if (read === refused) {
          log.saw('refused');
          return undefined;
        }
        if (read === undefined)
          return reader.partial === at < whole.length ? undefined : 'something is left, or lost';
        log.saw('read');
        const bytes = encodeRaw(read.request, read.flags, read.payload);
        if (Buffer.compare(bytes, whole.subarray(at, at + bytes.length)) !== 0)
          return 'another message was read';
        at += bytes.length;
      }
    });
  }
  return log.result();
}

function randomMessage(random: Random): Uint8Array {
  const most = random.pick([0, 8, 40, 300, maxPayloadBytes]);
  const bytes = encodeRaw(random.below(50), random.below(16), new Uint8Array(random.below(most + 1)).fill(7));
  // A size that is not its own: messages begin elsewhere from here on.
  if (random.chance(0.02)) {
    const size = random.chance(0.5) ? random.u32() : random.below(2 * maxPayloadBytes);
    new DataView(bytes.buffer).setUint32(headerBytes - 4, size, true);
  }
  return bytes;
}
