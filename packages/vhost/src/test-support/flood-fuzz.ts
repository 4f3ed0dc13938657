import { FuzzLog, type Fuzzed, Random } from '@vio/rings/testing';
import { collectGarbage, holdings, holdingsLike } from '@vio/test-support';
import { supportedProtocolFeatures } from '../backend/protocol/handlers.ts';
import { type Request, closeAll } from '../wire/index.ts';
import { FuzzedBackend, nextTurn } from './fuzzed-backend.ts';
import { HostileFrontend } from './hostile-frontend.ts';

/** Answers that a socket holds which nobody reads. */
const room = 100;
/** Answers that a backend may owe, and one more. */
const mostOwed = 4 * 64 + 1;
/** Messages that come at once. */
const perTurn = 64;
/** What a backend may come to hold in its heap, however many messages there were: bytes. */
const mostHeap = 8 << 20;

/**
 * Sends a backend messages of one kind, mostly right ones, and reads no answer; a frontend that is sent away comes again. No more answers
 * wait than a backend may owe, its heap stays as it is, and nothing is left.
 * @param states messages
 */
export async function floodBackend(
  row: Request<unknown, unknown>,
  states: number,
  seed: number,
): Promise<Fuzzed> {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  using frontend = new HostileFrontend(random);
  const before = holdings();
  const heap = usedHeap();
  let backend = begin(log, frontend);
  for (;;) {
    for (let i = 0; i < perTurn && log.open && !backend.over; i++)
      log.state(() => backend.hear(() => frontend.send(backend.stream, row)));
    await nextTurn();
    const { sent } = backend.stream;
    if (sent > room + mostOwed) log.found(`${sent} answers wait for somebody to read them`);
    if (!log.open) break;
    if (!backend.over) continue;
    await backend.end();
    // Most that are sent away have not come far.
    backend = random.chance(0.1) ? begin(log, frontend) : new FuzzedBackend(log, room);
  }
  const grown = usedHeap() - heap;
  if (grown > mostHeap) log.found(`the heap has grown by ${grown} bytes`);
  await backend.end();
  const after = await holdingsLike(before);
  if (JSON.stringify(after) !== JSON.stringify(before))
    log.found(`${JSON.stringify(after)} is held, it was ${JSON.stringify(before)}`);
  return log.result();
}

function usedHeap(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** A connection whose frontend has started its device, or some of it. */
function begin(log: FuzzLog, frontend: HostileFrontend): FuzzedBackend {
  const backend = new FuzzedBackend(log, room);
  for (const [bytes, fds] of frontend.start(supportedProtocolFeatures)) {
    if (backend.over) closeAll(fds);
    else backend.stream.feed(bytes, fds);
  }
  return backend;
}
