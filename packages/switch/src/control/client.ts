// Talks to the control socket of a running switch. Loads little, no addon either, so that who starts often starts fast.
import { defaultTimeout, longestTimer } from '@vio/native/timeouts';
import { connect } from 'node:net';

const brand = Symbol.for('vio.error');

/** Why a call failed. One of the family: `VioError.is` knows it. */
export class SwitchCallError extends Error {
  readonly [brand] = true;
  /** As `VIO_SWITCH_PORT_EXISTS`; `VIO_SWITCH_AWAY` when there is no switch, or none that answers. */
  readonly code: string;
  /** What the user can do about it. */
  readonly remedy: string;
  /** True when the same call may succeed later. */
  readonly retryable: boolean;

  constructor(
    message: string,
    details: { code: string; remedy: string; retryable?: boolean; cause?: unknown },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'SwitchCallError';
    this.code = details.code;
    this.remedy = details.remedy;
    this.retryable = details.retryable ?? false;
  }
}

/** Bytes of an answer at most. */
const mostAnswer = 64 << 20;

interface Answer {
  readonly result?: unknown;
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly remedy: string;
    readonly retryable: boolean;
  };
}

/**
 * One call: connects, asks, and gives back what is answered.
 * @param path of the control socket
 * @param wait timeout: milliseconds for all of it
 * @throws SwitchCallError
 */
export function callSwitch(
  path: string,
  method: string,
  params: unknown = {},
  wait: { readonly timeout?: number | undefined } = {},
): Promise<unknown> {
  const { timeout = defaultTimeout } = wait;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const socket = connect(path);
    const fail = (message: string, cause?: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(away(message, cause));
    };
    const timer = setTimeout(
      () => fail(`the switch at ${path} did not answer within ${timeout} ms`),
      Math.min(timeout, longestTimer),
    );
    socket.on('connect', () => socket.write(`${JSON.stringify({ id: 1, method, params })}\n`));
    socket.on('error', (cause) => fail(`the switch cannot be reached at ${path}: ${cause.message}`, cause));
    socket.on('close', () => fail(`the switch at ${path} ended the connection without an answer`));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > mostAnswer) return fail(`the switch at ${path} answers with more than ${mostAnswer} bytes`);
      if (!chunk.includes(10)) return;
      clearTimeout(timer);
      socket.destroy();
      try {
        const answer = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Answer;
        if (answer.error === undefined) resolve(answer.result);
        else reject(new SwitchCallError(answer.error.message, answer.error));
      } catch (cause) {
        reject(away(`what answers at ${path} is no switch`, cause));
      }
    });
  });
}

function away(message: string, cause: unknown): SwitchCallError {
  return new SwitchCallError(message, {
    code: 'VIO_SWITCH_AWAY',
    remedy: 'start `vio switch run`, or name the control socket of the one that runs',
    retryable: true,
    cause,
  });
}
