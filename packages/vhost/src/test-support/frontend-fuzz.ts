import { inspect } from 'node:util';
import { EventFd, SharedMemory, VioError, closeFd, dupFd } from '@vio/native';
import { FuzzLog, type Fuzzed, Random } from '@vio/rings/testing';
import { openFds } from '@vio/test-support';
import { FakeStream } from './fake-stream.ts';
import {
  type Request,
  backendRequests,
  closeAll,
  encodeRaw,
  encodeReply,
  frontendRequests as requests,
} from '../wire/index.ts';
import { BackendListener } from '../frontend/backend-listener.ts';
import { usableProtocolFeatures } from '../frontend/protocol-choice.ts';
import { VhostUserFrontend } from '../frontend/vhost-user-frontend.ts';

/** Callbacks that never come: the channel of its own is fuzzed by itself. */
const backendRequestBit = 1n << 5n;
const replyFlags = 5;
const telling = [0, 1, 2, 7, 8, 255, 256, 4096, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const anything = (1n << 64n) - 1n;
/** Messages between two looks at what is held. */
const statesPerLook = 2000;

/** What a backend is asked, and the answer that is right; undefined: only an acknowledgement. */
interface Question {
  readonly row: Request<unknown, unknown>;
  readonly ask: (frontend: VhostUserFrontend) => Promise<unknown>;
  readonly answer: Uint8Array;
}

function question<P, R>(
  row: Request<P, R>,
  answer: R,
  ask: (frontend: VhostUserFrontend) => Promise<unknown>,
): Question {
  const acknowledgement = encodeRaw(row.id, replyFlags, new Uint8Array(8));
  const bytes = row.reply === undefined ? acknowledgement : encodeReply(row, answer);
  return { row, ask, answer: bytes };
}

const config = { offset: 0, flags: 0, data: new Uint8Array(12) };
const area = { mmapSize: 4096, mmapOffset: 0, queues: 2, queueSize: 256 };
const region = { guestAddress: 0, userAddress: 0, size: 4096, mmapOffset: 0 };

function questions(fd: number): readonly Question[] {
  return [
    question(requests.GET_VRING_BASE, { index: 1, value: 7 }, (f) => f.getVringBase(1)),
    question(requests.GET_QUEUE_NUM, 4, (f) => f.queueNum()),
    question(requests.GET_STATUS, 15, (f) => f.getStatus()),
    question(requests.GET_CONFIG, config, (f) => f.getConfig(0, 12)),
    question(requests.GET_MAX_MEM_SLOTS, 8, (f) => f.getMaxMemSlots()),
    question(requests.GET_INFLIGHT_FD, area, async (f) => closeFd((await f.getInflight(2, 256)).fd)),
    question(requests.SET_VRING_NUM, undefined, (f) => f.setVringNum(0, 256)),
    question(requests.SET_MEM_TABLE, undefined, (f) => f.setMemTable([{ ...region, fd }])),
    question(requests.SET_STATUS, undefined, (f) => f.setStatus(4)),
  ];
}

/**
 * Lets hostile backends answer a frontend: every call resolves, or rejects with a VioError, and then the channel is closed
 * or in step; afterwards no descriptor is held.
 * @param states answers
 */
export async function fuzzFrontend(states: number, seed: number): Promise<Fuzzed> {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  using memory = SharedMemory.create({ size: 4096, populate: false });
  const asked = questions(memory.fd);
  const held = openFds();
  while (log.open) {
    const stream = new FakeStream();
    using frontend = VhostUserFrontend.adopt(stream, {
      protocolFeatures: usableProtocolFeatures & ~backendRequestBit,
    });
    await open(frontend, stream);
    while (log.open && frontend.down === undefined && !random.chance(0.02)) {
      const wrong = await exchange(random.pick(asked), frontend, stream, random, memory.fd, log);
      log.state(() => wrong);
      if (log.states % statesPerLook === 0 && openFds() > held)
        log.found(`${openFds()} descriptors are open`);
    }
    if (frontend.down !== undefined && !stream.closed) log.found('the channel is down, its socket is open');
    log.saw(frontend.down?.code ?? 'up');
  }
  return log.result();
}

/** As with an honest backend that offers everything. */
async function open(frontend: VhostUserFrontend, stream: FakeStream): Promise<void> {
  const negotiated = frontend.getFeatures();
  for (const bytes of [
    encodeReply(requests.GET_FEATURES, anything),
    encodeReply(requests.GET_PROTOCOL_FEATURES, anything),
  ]) {
    await sent();
    stream.feed(bytes);
    await sent();
  }
  await negotiated;
}

/** Asks, and answers with something. @returns what is wrong, or undefined */
async function exchange(
  { row, ask, answer }: Question,
  frontend: VhostUserFrontend,
  stream: FakeStream,
  random: Random,
  fd: number,
  log: FuzzLog,
): Promise<string | undefined> {
  const outcome = ask(frontend).then(
    () => undefined,
    (error: unknown) => error,
  );
  await sent();
  const bytes = damaged(answer, random);
  const right = row.replyFds[1];
  const fds = Array.from({ length: random.chance(0.95) ? right : random.below(10) }, () => dupFd(fd));
  const cut = random.chance(0.8) ? bytes.length : 1 + random.below(bytes.length);
  stream.feed(bytes.subarray(0, cut), fds);
  if (cut < bytes.length && random.chance(0.8)) stream.feed(bytes.subarray(cut));
  if (random.chance(0.02)) stream.feed(damaged(answer, random));
  // A call that has its answer ends now; of one that has none, or a part, the peer goes away.
  let error = await Promise.race([outcome, sent().then(() => undefined)]);
  if (error === undefined) {
    closeAll(stream.end());
    error = await outcome;
  }
  if (error === undefined) log.saw(row.name);
  else if (!VioError.is(error)) return `${row.name}: ${inspect(error)}`;
  return undefined;
}

/** Time for what was asked to go out, and for what came in to be told. */
async function sent(): Promise<void> {
  for (let i = 0; i < 12; i++) await Promise.resolve();
}

function damaged(answer: Uint8Array, random: Random): Uint8Array {
  if (random.chance(0.6)) return answer;
  const bytes = random.chance(0.9) ? answer.slice() : answer.slice(0, random.below(answer.length));
  const view = new DataView(bytes.buffer);
  for (let i = random.below(3); i > 0 && bytes.length >= 4; i--) {
    view.setUint32(4 * random.below(Math.floor(bytes.length / 4)), random.pick(telling), true);
  }
  return bytes;
}

/** Lets hostile backends ask by themselves: what they say is met or refused, or ends the channel, and nothing is held. */
export async function fuzzListener(states: number, seed: number): Promise<Fuzzed> {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  using event = EventFd.create();
  const rows: readonly Request<unknown, unknown>[] = Object.values(backendRequests);
  const held = openFds();
  while (log.open) {
    const stream = new FakeStream();
    let failure: VioError | undefined;
    using listener = new BackendListener(stream, {
      acknowledges: random.chance(0.8),
      configChanged: () => log.saw('configChanged'),
      failed: (reason) => (failure = reason),
    });
    void listener;
    while (log.open && !stream.closed && !random.chance(0.02)) {
      log.state(() => {
        const row = random.pick(rows);
        const payload = new Uint8Array(random.chance(0.95) ? row.payload.minBytes : random.below(100));
        for (let i = random.below(3); i > 0 && payload.length > 0; i--)
          payload[random.below(payload.length)] = random.u32();
        const id = random.chance(0.99) ? row.id : random.u32();
        const bytes = encodeRaw(id, random.chance(0.98) ? random.pick([1, 9]) : random.below(16), payload);
        const fds = random.chance(0.9) ? row.fds[1] : random.below(10);
        stream.feed(
          bytes,
          Array.from({ length: fds }, () => dupFd(event.fd)),
        );
        return undefined;
      });
      // Acknowledgements go out.
      if (log.states % 16 === 0) await sent();
      if (log.states % statesPerLook === 0 && openFds() > held)
        log.found(`${openFds()} descriptors are open`);
    }
    closeAll(stream.end());
    if (failure !== undefined) log.saw('failed');
    if (!stream.closed) log.found('the channel does not end with its socket');
  }
  return log.result();
}
