import { VioError, type WaitOptions } from '@vio/native';
import { checkWait } from '@vio/native/internal';
import {
  type Request,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  encodeRequest,
  expectedAck,
  expectedReply,
  protocolFeatureNames,
} from '../wire/index.ts';
import type { Reply, RequestChannel } from './request-channel.ts';

/**
 * The backend as somebody to ask and to tell, by the rows of the message table: nothing is sent that takes a protocol
 * feature which was not negotiated, and what has no answer of its own is acknowledged where that was.
 */
export class BackendPeer {
  /** What was negotiated; undefined: nothing yet. */
  negotiated: bigint | undefined;
  readonly #channel: RequestChannel;

  constructor(channel: RequestChannel) {
    this.#channel = channel;
  }

  get protocolFeatures(): bigint {
    return this.negotiated ?? 0n;
  }

  has(protocolFeatures: bigint): boolean {
    return (this.protocolFeatures & protocolFeatures) === protocolFeatures;
  }

  /** A request with an answer of its own. */
  async ask<P, R>(
    request: Request<P, R>,
    payload: P,
    options: WaitOptions,
    fds: readonly number[] = [],
    check: (value: R, answer: string) => void = () => {},
  ): Promise<Reply<R>> {
    checkWait(request.name, options);
    this.#requireFeature(request);
    const expected = expectedReply(request);
    if (expected === undefined) throw new TypeError(`${request.name} has no answer`);
    const awaited = { ...expected, check: (value: R) => check(value, expected.name) };
    return this.#channel.ask(
      { name: request.name, bytes: encodeRequest(request, payload), fds },
      awaited,
      options,
    );
  }

  /** A request without an answer of its own: acknowledged if possible. */
  async tell<P>(
    request: Request<P, undefined>,
    payload: P,
    options: WaitOptions,
    fds: readonly number[] = [],
  ): Promise<void> {
    checkWait(request.name, options);
    this.#requireFeature(request);
    const acknowledged = (this.protocolFeatures & VHOST_USER_PROTOCOL_F_REPLY_ACK) !== 0n;
    const outgoing = { name: request.name, bytes: encodeRequest(request, payload, acknowledged), fds };
    if (!acknowledged) return this.#channel.post(outgoing, options);
    const { value } = await this.#channel.ask(outgoing, expectedAck(request), options);
    if (value !== 0n) throw refused(request.name, `result ${value}`);
  }

  #requireFeature(request: Request<unknown, unknown>): void {
    const missing = request.feature & ~this.protocolFeatures;
    if (missing !== 0n) throw unsupported(request.name, protocolFeatureNames(missing).join(', '));
  }
}

export function refused(request: string, how: string): VioError {
  return new VioError(`the backend refused ${request} (${how})`, {
    code: 'VIO_VHOST_REFUSED',
    remedy: 'the log of the backend says why; send what it accepts, or use another backend',
  });
}

export function unsupported(what: string, feature: string): VioError {
  return new VioError(`${what} cannot do without protocol features that are not in use: ${feature}`, {
    code: 'VIO_VHOST_UNSUPPORTED',
    remedy: 'use a backend that offers the feature, ask for it when connecting, or do without',
  });
}
