import { defaultTimeout } from '@vio/native/internal';
import type { MemoryMap } from '@vio/rings';
import { Iotlb, mayRead, mayWrite, translationPage } from '@vio/rings/internal';
import { type IotlbMessage, iotlbType } from '../../wire/index.ts';
import { vhostError } from '../errors/vhost-error.ts';

/** Pages whose translation was asked for, or that have none, at most. */
const mostAsked = 1024;
/** Addresses are numbers: from here on they are not exact, and no memory lies there. */
const addressEnd = 2 ** 53;

/** The way to a frontend by which translations are asked for. */
export interface IotlbChannel {
  /** Nothing waits for it: the answer is a message of the frontend's. */
  iotlb(message: IotlbMessage): void;
}

/** What is known of a device's I/O MMU, and what was asked and said since it was negotiated. */
export interface TranslationCounts {
  /** Ranges that are known. */
  readonly known: number;
  /** Pages that were asked for and not answered. */
  readonly waiting: number;
  /** Pages that were asked for in all. */
  readonly misses: number;
  /** Ranges that the frontend gave. */
  readonly updates: number;
  /** Invalidations that it sent. */
  readonly invalidations: number;
}

/** Who wants to know of translations. */
export interface IommuListener {
  /** Some that were known are not any more: nothing that was found by them may be touched when this returns. */
  lost(from: number, end: number): void;
  /** Some that were not known are, or there are none where some were asked for: whoever waits looks again. */
  changed(): void;
}

/** What was asked for: when, in milliseconds; `denied`: nobody answered, or what came does not allow it. */
interface Question {
  readonly address: number;
  readonly writable: boolean;
  readonly asked: number;
  denied: boolean;
}

/**
 * The I/O MMU of one device (ACCESS_PLATFORM): what is known of it, what was asked of the frontend, and what it said. A page is
 * asked for once until an answer comes, or something is said of it; one whose answer never comes has no memory after a while.
 */
export class DeviceIommu implements Disposable {
  readonly iotlb: Iotlb;
  #misses = 0;
  #updates = 0;
  #invalidations = 0;
  readonly #listener: IommuListener;
  readonly #patience: number;
  /** By page, plus 1 to write. */
  readonly #questions = new Map<number, Question>();
  /** How many of them are denied. */
  #denied = 0;
  #channel: IotlbChannel | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param patience milliseconds that an answer may take */
  constructor(
    listener: IommuListener,
    channel: IotlbChannel | undefined,
    patience = defaultTimeout,
    capacity?: number,
  ) {
    this.#listener = listener;
    this.#channel = channel;
    this.#patience = patience;
    this.iotlb = new Iotlb((page, writable) => this.#ask(page, writable), capacity);
  }

  /** What there is, and was. */
  get counts(): TranslationCounts {
    return {
      known: this.iotlb.count,
      waiting: this.#questions.size - this.#denied,
      misses: this.#misses,
      updates: this.#updates,
      invalidations: this.#invalidations,
    };
  }

  /** Where to ask from now on. What was asked for before is asked for again. */
  setChannel(channel: IotlbChannel): void {
    this.#channel = channel;
    for (const question of this.#questions.values()) if (!question.denied) this.#tell(question);
  }

  /** The driver's memory is this from now on. */
  setMemory(map: MemoryMap): void {
    this.iotlb.setMemory(map);
  }

  /** IOTLB_MSG. @throws VioError VIO_VHOST_IOTLB for what makes no sense */
  say(message: IotlbMessage): void {
    if (message.type === iotlbType.update) this.#update(message);
    else if (message.type === iotlbType.invalidate) this.#invalidate(message);
    else throw vhostError('IOTLB', `IOTLB_MSG of type ${message.type} is the backend's to say`);
  }

  /** Forgets everything. */
  reset(): void {
    this.iotlb.clear();
    this.#questions.clear();
    this.#denied = 0;
    this.#watch();
    this.#listener.lost(0, addressEnd);
  }

  [Symbol.dispose](): void {
    this.#channel = undefined;
    this.iotlb.clear();
    this.#questions.clear();
    this.#denied = 0;
    this.#watch();
  }

  #update({ iova, size, userAddress, permissions }: IotlbMessage): void {
    const hex = `0x${iova.toString(16)}`;
    if (size === 0n || iova + size > BigInt(addressEnd))
      throw vhostError('IOTLB', `a translation of ${size} bytes at ${hex} is none, or ends beyond 2^53`);
    const user = Number(userAddress);
    if (userAddress + size > BigInt(addressEnd) || !this.iotlb.hasMemory(user))
      throw vhostError('IOTLB', `0x${userAddress.toString(16)}, to which ${hex} leads, is not in the memory`);
    const from = Number(iova);
    const end = from + Number(size);
    this.#updates++;
    // What it takes the place of may lead elsewhere.
    if (this.iotlb.remove(from, end)) this.#listener.lost(from, end);
    this.iotlb.insert(from, end, user, permissions);
    this.#answered(from, end, permissions);
    this.#listener.changed();
  }

  #invalidate({ iova, size }: IotlbMessage): void {
    const from = Number(iova);
    // Of nothing: QEMU's length of everything does not fit 64 bits.
    const end = size === 0n ? addressEnd : Math.min(addressEnd, Number(iova + size));
    this.#invalidations++;
    this.iotlb.remove(from, end);
    for (const [key, { address }] of this.#questions)
      if (address + translationPage > from && address < end) this.#forget(key);
    this.#watch();
    // Also where nothing is known: what a ring was found by may have given way to others since.
    this.#listener.lost(from, end);
  }

  /** A range came: what was asked for in it is answered, unless it does not allow that. */
  #answered(from: number, end: number, access: number): void {
    for (const [key, question] of this.#questions) {
      const { address, writable } = question;
      if (address + translationPage <= from || address >= end) continue;
      if ((access & (writable ? mayWrite : mayRead)) !== 0) this.#forget(key);
      else if (!question.denied) {
        this.#deny(question);
        this.#send(iotlbType.accessFail, question);
      }
    }
    this.#watch();
  }

  /** @returns false: it was asked for, in vain */
  #ask(page: number, writable: boolean): boolean {
    const key = page + (writable ? 1 : 0);
    const before = this.#questions.get(key);
    if (before !== undefined) return !before.denied;
    if (this.#questions.size >= mostAsked && !this.#forgetDenied()) return true;
    const question = { address: page, writable, asked: performance.now(), denied: false };
    this.#questions.set(key, question);
    this.#tell(question);
    if (this.#timer === undefined) this.#watch();
    return true;
  }

  /** Makes room for a question. @returns false when all of them wait for answers */
  #forgetDenied(): boolean {
    if (this.#denied === 0) return false;
    for (const [key, { denied }] of this.#questions) if (denied) return this.#forget(key);
    return false;
  }

  #forget(key: number): boolean {
    if (this.#questions.get(key)?.denied === true) this.#denied--;
    return this.#questions.delete(key);
  }

  #deny(question: Question): void {
    question.denied = true;
    this.#denied++;
  }

  #tell(question: Question): void {
    this.#misses++;
    this.#send(iotlbType.miss, question);
  }

  #send(type: number, { address, writable }: Question): void {
    const permissions = writable ? mayWrite : mayRead;
    this.#channel?.iotlb({ iova: BigInt(address), size: 0n, userAddress: 0n, permissions, type });
  }

  /** Wakes up when the first answer is overdue; the questions are in the order in which they were asked. */
  #watch(): void {
    let first: Question | undefined;
    for (const question of this.#questions.values()) {
      if (question.denied) continue;
      first = question;
      break;
    }
    if (first === undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    } else if (this.#timer === undefined) {
      const left = first.asked + this.#patience - performance.now();
      this.#timer = setTimeout(() => this.#overdue(), Math.max(1, left)).unref();
    }
  }

  #overdue(): void {
    this.#timer = undefined;
    const limit = performance.now() - this.#patience;
    let any = false;
    for (const question of this.#questions.values()) {
      if (question.denied || question.asked > limit) continue;
      this.#deny(question);
      any = true;
    }
    this.#watch();
    if (any) this.#listener.changed();
  }
}
