import { callApplication } from '@vio/native/internal';
import { ChainBurst, type ChainBytes } from '@vio/rings';
import type { Message } from '../../wire/index.ts';
import type { AttachedHandler } from '../device/attached-handlers.ts';
import type { RawVring } from '../raw/raw-vring.ts';
import type { CryptoEngine, CryptoOperation, CryptoStatus } from './crypto-engine.ts';
import { type CryptoOptions, mostDataBytes, mostSessions } from './crypto-options.ts';
import { CryptoSessions, type OpenSession } from './crypto-sessions.ts';
import {
  VIRTIO_CRYPTO_BADMSG,
  VIRTIO_CRYPTO_ERR,
  VIRTIO_CRYPTO_INVSESS,
  VIRTIO_CRYPTO_OK,
} from './numbers.ts';
import { gather, mayShare, partOf, writePieces } from './pieces.ts';
import {
  type RequestPlan,
  opcodeOf,
  planRequest,
  requestBytes,
  sessionOf,
  statusBytes,
} from './request-plan.ts';

/** What a device with a crypto engine has done. */
export interface CryptoCounts {
  /** Sessions that are open. */
  readonly sessions: number;
  /** Requests that were fetched to be carried out. */
  readonly requests: number;
  /** Requests that made no sense, and were answered at once. */
  readonly refused: number;
}

/** Requests that one call fetches. */
const mostPerFetch = 32;
/** Fetches whose requests are still under way, and bytes of what was copied for those, but for the last one. */
const mostBatches = 64;
const mostBytesHeld = 2 ** 26;
const batchSegments = 1024;

/** Chains that were fetched together. */
interface Batch {
  readonly chains: ChainBurst;
  /** Chains that are not completed. */
  open: number;
}

/** How an operation goes back to its driver. */
interface Pending {
  readonly owner: VhostCrypto;
  readonly ring: RawVring;
  /** The driver's memory, as it was when the operation was fetched. */
  readonly bytes: ChainBytes;
  readonly batch: Batch;
  readonly chain: number;
  readonly plan: RequestPlan;
  /** Bytes of this side's memory that it takes. */
  readonly held: number;
  /** Where the result goes that is not there yet; undefined with zero copy. */
  readonly writeBack: readonly Uint8Array[] | undefined;
}

const pending = new WeakMap<CryptoOperation, Pending>();
const no = new Uint8Array(0);

/** The crypto engine of one device: its sessions, and its requests on their way there and back. */
export class VhostCrypto implements AttachedHandler {
  static readonly requests = ['CREATE_CRYPTO_SESSION', 'CLOSE_CRYPTO_SESSION'];
  zeroCopy = false;
  readonly #sessions: CryptoSessions;
  readonly #maxDataBytes: number;
  readonly #free: Batch[] = [];
  #batches = 0;
  #bytesHeld = 0;
  #requests = 0;
  #refused = 0;
  readonly #request = new DataView(new ArrayBuffer(requestBytes));

  constructor(engine: CryptoEngine, options: CryptoOptions) {
    this.#sessions = new CryptoSessions(engine, mostSessions(options));
    this.#maxDataBytes = mostDataBytes(options);
  }

  get counts(): CryptoCounts {
    return { sessions: this.#sessions.count, requests: this.#requests, refused: this.#refused };
  }

  handle(message: Message): Uint8Array | undefined {
    if (message.request === createRequest) return this.#sessions.create(message);
    this.#sessions.close(message);
    return undefined;
  }

  reset(): void {
    this.#sessions.closeAll();
  }

  end(): void {
    this.#sessions.closeAll();
  }

  /** Takes requests; those that make no sense are answered. */
  fetch(ring: RawVring, max: number): CryptoOperation[] {
    const batch = this.#batchFor(ring);
    if (batch === undefined) return [];
    const { chains } = batch;
    const count = ring.fetch(chains, Math.min(max, mostPerFetch));
    batch.open = count;
    const operations: CryptoOperation[] = [];
    let refusedFrom = 0;
    let chain = 0;
    for (; chain < count && this.#bytesHeld < mostBytesHeld; chain++) {
      const made = this.#read(ring, batch, chain);
      if (typeof made !== 'number') {
        completeRefused(ring, batch, refusedFrom, chain);
        refusedFrom = chain + 1;
        operations.push(made);
      } else {
        this.#refused++;
        answer(ring.bytes, chains, chain, made, 0);
      }
    }
    // The rest is fetched again when some of it is done.
    ring.unfetch(chains, count - chain);
    batch.open -= count - chain;
    completeRefused(ring, batch, refusedFrom, chain);
    this.#requests += operations.length;
    this.#settle(batch);
    return operations;
  }

  /** Gives operations back to their drivers, whose devices need not be the same. @returns how many went back */
  static finalize(operations: readonly CryptoOperation[], from: number, count: number): number {
    const end = Math.min(operations.length, from + count);
    let done = 0;
    let run: { first: Pending; chains: number } | undefined;
    const flush = (): void => {
      if (run === undefined) return;
      const { ring, batch, chain, owner } = run.first;
      ring.complete(batch.chains, chain, run.chains);
      batch.open -= run.chains;
      owner.#settle(batch);
      run = undefined;
    };
    for (let i = from; i < end; i++) {
      const operation = operations[i];
      const one = pending.get(operation);
      if (one === undefined) continue;
      pending.delete(operation);
      one.owner.#bytesHeld -= one.held;
      giveBack(operation, one);
      done++;
      if (run !== undefined && run.first.batch === one.batch && run.first.chain + run.chains === one.chain) {
        run.chains++;
      } else {
        flush();
        run = { first: one, chains: 1 };
      }
    }
    flush();
    return done;
  }

  /** A chain may have as many segments as its ring has descriptors. @returns undefined: there are too many under way */
  #batchFor({ size }: RawVring): Batch | undefined {
    const free = this.#free.pop();
    if (free !== undefined && free.chains.segmentCapacity >= size) return free;
    if (free !== undefined) this.#batches--;
    if (this.#batches >= mostBatches) return undefined;
    this.#batches++;
    return { chains: new ChainBurst(mostPerFetch, Math.max(batchSegments, size)), open: 0 };
  }

  /** Chains that are completed may be fetched into again. */
  #settle(batch: Batch): void {
    if (batch.open === 0) this.#free.push(batch);
  }

  /** @returns the operation that a chain asks for, or what is wrong with it */
  #read(ring: RawVring, batch: Batch, chain: number): CryptoOperation | CryptoStatus {
    const { chains } = batch;
    const { bytes } = ring;
    const request = this.#request;
    // What the driver may write at any time is read once.
    const head = new Uint8Array(request.buffer);
    if (bytes.read(chains, chain, 0, head) < requestBytes) return VIRTIO_CRYPTO_BADMSG;
    const open = this.#sessions.get(sessionOf(request));
    if (open === undefined) return VIRTIO_CRYPTO_INVSESS;
    const plan = planRequest(request, open.parameters, this.#maxDataBytes);
    if (typeof plan === 'number') return plan;
    const { ivBytes, sourceBytes, moreBytes, destinationBytes, digestBytes } = plan;
    const sent = requestBytes + ivBytes + sourceBytes + moreBytes;
    if (sent > readableBytes(chains, chain)) return VIRTIO_CRYPTO_BADMSG;
    if (destinationBytes + digestBytes + statusBytes > writableBytes(chains, chain))
      return VIRTIO_CRYPTO_BADMSG;
    return this.#operation(ring, batch, chain, plan, open);
  }

  #operation(
    ring: RawVring,
    batch: Batch,
    chain: number,
    plan: RequestPlan,
    open: OpenSession,
  ): CryptoOperation {
    const { chains } = batch;
    const { bytes } = ring;
    const { ivBytes, sourceBytes, moreBytes, outputBytes, digestBytes, cipherRange, digestRange } = plan;
    const copied = (at: number, length: number): Uint8Array => {
      if (length === 0) return no;
      const copy = new Uint8Array(length);
      bytes.read(chains, chain, at, copy);
      return copy;
    };
    const sourceAt = requestBytes + ivBytes;
    const opcode = opcodeOf(this.#request);
    const more = copied(sourceAt + sourceBytes, moreBytes);
    const theirs = bytes.writable(chains, chain, 0, outputBytes);
    let source = bytes.readable(chains, chain, sourceAt, sourceBytes);
    const shared = this.zeroCopy && mayShare(source, theirs);
    if (!shared) source = [gather(source)];
    const isAead = open.parameters.service === 'aead';
    const operation: CryptoOperation = {
      session: open.session,
      opcode,
      iv: copied(requestBytes, ivBytes),
      aad: isAead ? more : no,
      source,
      destination: shared ? theirs : [new Uint8Array(outputBytes)],
      digest: digestBytes === 0 ? no : new Uint8Array(digestBytes),
      signed: isAead ? no : more,
      cipherRange,
      digestRange,
      status: VIRTIO_CRYPTO_ERR,
      produced: outputBytes,
    };
    const writeBack = shared ? undefined : theirs;
    const held = ivBytes + moreBytes + (shared ? 0 : sourceBytes + outputBytes);
    this.#bytesHeld += held;
    pending.set(operation, { owner: this, ring, bytes, batch, chain, plan, held, writeBack });
    return operation;
  }
}

/** CREATE_CRYPTO_SESSION. */
const createRequest = 26;

/** Carries operations out. @returns undefined: all are; else when they are */
export function performAll(operations: readonly CryptoOperation[]): Promise<void> | undefined {
  const later: Promise<void>[] = [];
  for (const operation of operations) {
    callApplication(() => {
      const status = operation.session.perform(operation);
      if (typeof status === 'number') operation.status = status;
      else {
        later.push(
          status.then(
            (settled) => void (operation.status = settled),
            (error: unknown) =>
              callApplication(() => {
                throw error;
              }),
          ),
        );
      }
    });
  }
  return later.length === 0 ? undefined : allOf(later);
}

async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  await Promise.all(promises);
}

/** Completes chains that were answered. */
function completeRefused(ring: RawVring, batch: Batch, from: number, end: number): void {
  if (end <= from) return;
  ring.complete(batch.chains, from, end - from);
  batch.open -= end - from;
}

/** Writes what became of an operation where its driver looks for it, unless that is gone. */
function giveBack(operation: CryptoOperation, { ring, bytes, batch, chain, plan, writeBack }: Pending): void {
  // The ring was stopped meanwhile, or runs in other memory: this is nobody's any more.
  if (!ring.running || ring.bytes !== bytes) return;
  const { chains } = batch;
  const { status, digest } = operation;
  if (status !== VIRTIO_CRYPTO_OK) return answer(bytes, chains, chain, status, 0);
  const produced = Math.min(operation.produced, plan.outputBytes);
  if (writeBack !== undefined) {
    let at = 0;
    for (const part of partOf(operation.destination, 0, produced)) {
      writePieces(writeBack, at, part);
      at += part.length;
    }
  }
  if (digest.length > 0) bytes.write(chains, chain, plan.destinationBytes, digest);
  const whole = produced === plan.destinationBytes;
  answer(bytes, chains, chain, status, whole ? produced + digest.length : produced);
}

/**
 * The status is the last byte of the room, however much of it there is: Linux hands over all of a buffer of which it wants less.
 * @param written bytes of the room that were filled. One more is told always: Linux takes one off, of 0 as well
 */
function answer(bytes: ChainBytes, chains: ChainBurst, chain: number, status: number, written: number): void {
  const room = writableBytes(chains, chain);
  chains.written[chain] = Math.min(room, written + statusBytes);
  if (room > 0) bytes.write(chains, chain, room - statusBytes, Uint8Array.of(status));
}

function readableBytes(chains: ChainBurst, chain: number): number {
  const first = chains.firstSegment[chain];
  return sum(chains.length, first, first + chains.readable[chain]);
}

function writableBytes(chains: ChainBurst, chain: number): number {
  return sum(
    chains.length,
    chains.firstSegment[chain] + chains.readable[chain],
    chains.firstSegment[chain + 1],
  );
}

/** Of segments; as many bytes as there are, where the burst's own sums end at 2 GiB. */
function sum(lengths: Int32Array, from: number, end: number): number {
  let bytes = 0;
  for (let i = from; i < end; i++) bytes += lengths[i];
  return bytes;
}
