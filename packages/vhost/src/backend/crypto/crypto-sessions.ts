import { VioError } from '@vio/native';
import { callApplication, throwLater } from '@vio/native/internal';
import { type Message, cryptoSession, cryptoSessionReply, needsReply } from '../../wire/index.ts';
import { vhostError } from '../errors/vhost-error.ts';
import type { CryptoEngine, CryptoEngineSession, CryptoStatus } from './crypto-engine.ts';
import type { CryptoSessionParameters } from './crypto-parameters.ts';
import { VIRTIO_CRYPTO_BADMSG, VIRTIO_CRYPTO_ERR, VIRTIO_CRYPTO_NOSPC } from './numbers.ts';
import { sessionParameters } from './session-parameters.ts';

/** A session that is open. */
export interface OpenSession {
  readonly parameters: CryptoSessionParameters;
  readonly session: CryptoEngineSession;
}

/** Numbers of sessions are below this; none is given twice in the life of a device. */
const numbers = 2 ** 32;

/** The sessions of one device, as messages open and close them. */
export class CryptoSessions {
  readonly #engine: CryptoEngine;
  readonly #most: number;
  readonly #open = new Map<number, OpenSession>();
  #last = 0;

  /** @param most sessions that may be open */
  constructor(engine: CryptoEngine, most: number) {
    this.#engine = engine;
    this.#most = most;
  }

  get count(): number {
    return this.#open.size;
  }

  get(number: number): OpenSession | undefined {
    return this.#open.get(number);
  }

  /** CREATE_CRYPTO_SESSION: whatever is wrong with the session is its answer. @throws VioError VIO_VHOST_MESSAGE_SIZE */
  create({ payload }: Message): Uint8Array {
    const name = 'CREATE_CRYPTO_SESSION';
    // A payload that has no layout has no answer either.
    const { layout } = cryptoSessionReply.decode(payload, name);
    const opened = this.#create(payload, name);
    return cryptoSessionReply.encode({ layout, id: opened }, name);
  }

  /**
   * CLOSE_CRYPTO_SESSION. One that there is not is refused where that can be told: a frontend whose backend is another one now
   * closes sessions of the one before, and goes on.
   * @throws VioError VIO_VHOST_CRYPTO_SESSION
   */
  close(message: Message): void {
    const number = new DataView(message.payload.buffer, message.payload.byteOffset).getBigUint64(0, true);
    const open = this.#open.get(Number(number));
    if (open !== undefined) {
      this.#open.delete(Number(number));
      callApplication(() => open.session.close());
    } else if (needsReply(message)) {
      throw vhostError('CRYPTO_SESSION', `there is no session ${number}`);
    }
  }

  closeAll(): void {
    const open = Array.from(this.#open.values());
    this.#open.clear();
    for (const { session } of open) callApplication(() => session.close());
  }

  /** @returns the number of the session, or minus a status */
  #create(payload: Uint8Array, name: string): number {
    const parameters = parametersOf(payload, name);
    if (typeof parameters === 'number') return -parameters;
    if (this.#open.size >= this.#most || this.#last + 1 >= numbers) return -VIRTIO_CRYPTO_NOSPC;
    const session = this.#ask(parameters);
    if (typeof session === 'number') return -session;
    this.#open.set(++this.#last, { parameters, session });
    return this.#last;
  }

  /** An engine that throws is the application's, and has opened none. */
  #ask(parameters: CryptoSessionParameters): CryptoEngineSession | CryptoStatus {
    try {
      return this.#engine.openSession(parameters);
    } catch (error) {
      throwLater(error);
      return VIRTIO_CRYPTO_ERR;
    }
  }
}

function parametersOf(payload: Uint8Array, name: string): CryptoSessionParameters | CryptoStatus {
  try {
    return sessionParameters(cryptoSession.decode(payload, name));
  } catch (error) {
    // A key that is longer than its room.
    if (VioError.is(error)) return VIRTIO_CRYPTO_BADMSG;
    throw error;
  }
}
