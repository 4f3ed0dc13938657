import { setTimeout as milliseconds } from 'node:timers/promises';
import { UnixStream, VioError, type WaitOptions } from '@vio/native';
import { coded } from '@vio/test-support';
import { afterEach, describe, expect, it } from 'vitest';
import {
  MessageReader,
  type MessageStream,
  type Request,
  encodeAck,
  encodeReply,
  encodeRequest,
  expectedAck,
  expectedReply,
  frontendRequests as requests,
} from '../wire/index.ts';
import { RequestChannel } from './request-channel.ts';

const open: { close(): void }[] = [];
afterEach(() => open.splice(0).forEach((one) => one.close()));

/** A channel, and the other side, which reads and answers when it is told to. */
function connected() {
  const [mine, theirs] = UnixStream.pair();
  const channel = new RequestChannel(mine);
  open.push(channel, theirs);
  const reader = new MessageReader(theirs);
  return {
    channel,
    tell: <P>(request: Request<P, undefined>, payload: P, wait: WaitOptions = {}) =>
      channel.ask(
        { name: request.name, bytes: encodeRequest(request, payload, true), fds: [] },
        expectedAck(request),
        wait,
      ),
    askBase: (index: number) => {
      const request = requests.GET_VRING_BASE;
      const expected = expectedReply(request);
      if (expected === undefined) throw new TypeError('it has an answer');
      const bytes = encodeRequest(request, { index, value: 0 });
      return channel.ask({ name: request.name, bytes, fds: [] }, expected, {});
    },
    /** Numbers of the requests that have come since. */
    arrived: async () => {
      await theirs.readable();
      const ids: number[] = [];
      for (let message = reader.read(); message !== undefined; message = reader.read())
        ids.push(message.request);
      return ids;
    },
    acknowledge: (...done: readonly { readonly id: number }[]) =>
      theirs.send(Buffer.concat(done.map(({ id }) => encodeAck(id, 0)))),
    refuse: ({ id }: { readonly id: number }) => theirs.send(encodeAck(id, 1)),
    answerBase: (index: number) =>
      theirs.send(encodeReply(requests.GET_VRING_BASE, { index, value: index + 7 })),
  };
}

const { SET_VRING_NUM, SET_VRING_BASE, GET_VRING_BASE } = requests;
const state = { index: 0, value: 64 };

describe('requests that are called for at once', () => {
  it('have their time once they are the first in line', async () => {
    const { tell, acknowledge } = connected();
    const first = tell(SET_VRING_NUM, state);
    const second = tell(SET_VRING_BASE, state, { timeout: 1 });
    second.catch(() => {});
    await milliseconds(20);
    await acknowledge(SET_VRING_NUM);
    expect((await first).value).toBe(0n);
    await expect(second).rejects.toThrow(coded('VIO_TIMEOUT'));
  });

  it('take no notice of the time of those before them', async () => {
    const { tell, acknowledge } = connected();
    const all = [tell(SET_VRING_NUM, state), tell(SET_VRING_BASE, state, { timeout: 1 })];
    await milliseconds(20);
    await acknowledge(SET_VRING_NUM, SET_VRING_BASE);
    expect(await Promise.all(all)).toHaveLength(2);
  });

  it('go out behind acknowledgements that are outstanding, and wait for every other answer', async () => {
    const { tell, askBase, arrived, acknowledge, answerBase } = connected();
    const all = Promise.all([
      tell(SET_VRING_NUM, state),
      tell(SET_VRING_BASE, state),
      askBase(0),
      tell(SET_VRING_NUM, state),
      askBase(1),
    ]);
    expect(await arrived()).toEqual([SET_VRING_NUM.id, SET_VRING_BASE.id, GET_VRING_BASE.id]);
    await acknowledge(SET_VRING_NUM);
    await acknowledge(SET_VRING_BASE);
    await answerBase(0);
    expect(await arrived()).toEqual([SET_VRING_NUM.id, GET_VRING_BASE.id]);
    await acknowledge(SET_VRING_NUM);
    await answerBase(1);
    const values = (await all).map(({ value }) => value);
    expect(values).toEqual([0n, 0n, { index: 0, value: 7 }, 0n, { index: 1, value: 8 }]);
  });

  it('are answered each for itself', async () => {
    const { channel, tell, arrived, acknowledge, refuse } = connected();
    const all = Promise.all([tell(SET_VRING_NUM, state), tell(SET_VRING_NUM, state)]);
    expect(await arrived()).toHaveLength(2);
    await refuse(SET_VRING_NUM);
    await acknowledge(SET_VRING_NUM);
    expect((await all).map(({ value }) => value)).toEqual([1n, 0n]);
    expect(channel.down).toBe(undefined);
  });

  it('are not too many on their way', async () => {
    const { tell, arrived, acknowledge } = connected();
    const all = Promise.all(Array.from({ length: 40 }, () => tell(SET_VRING_NUM, state)));
    expect(await arrived()).toHaveLength(32);
    for (let i = 0; i < 8; i++) await acknowledge(SET_VRING_NUM);
    expect(await arrived()).not.toHaveLength(0);
    for (let i = 8; i < 40; i++) await acknowledge(SET_VRING_NUM);
    expect(await all).toHaveLength(40);
  });

  it('end the connection when one that has gone out is given up, and every other fails for that reason', async () => {
    const { channel, tell, arrived } = connected();
    const giveUp = new AbortController();
    const all = [tell(SET_VRING_NUM, state), tell(SET_VRING_BASE, state, { signal: giveUp.signal })];
    const ended = Promise.allSettled(all);
    await arrived();
    giveUp.abort();
    const reasons = (await ended).map((each): unknown => each.status === 'rejected' && each.reason);
    expect(reasons).toEqual([channel.down, channel.down]);
    expect(channel.down).toEqual(coded('VIO_ABORTED'));
    expect(VioError.is(reasons[0])).toBe(true);
  });

  it('may be answered before they are wholly gone, by a peer on another processor', async () => {
    const [mine, theirs] = UnixStream.pair();
    const eager: MessageStream = {
      receive: (target) => mine.receive(target),
      receivePlain: (target) => mine.receivePlain(target),
      send: (bytes, fds, wait) => mine.send(bytes, fds, wait),
      sendNow(bytes, fds) {
        const taken = mine.sendNow(bytes, fds);
        theirs.sendNow(encodeReply(GET_VRING_BASE, { index: 0, value: 7 }), []);
        return taken;
      },
      onReadable: (handler) => mine.onReadable(handler),
      pauseReading: (time) => mine.pauseReading(time),
      close: () => mine.close(),
    };
    const channel = new RequestChannel(eager);
    open.push(channel, theirs);
    const expected = expectedReply(GET_VRING_BASE);
    if (expected === undefined) throw new TypeError('it has an answer');
    const bytes = encodeRequest(GET_VRING_BASE, { index: 0, value: 0 });
    const ask = () => channel.ask({ name: 'GET_VRING_BASE', bytes, fds: [] }, expected, {});
    const values = (await Promise.all([ask(), ask(), ask()])).map(({ value }) => value.value);
    expect(values).toEqual([7, 7, 7]);
  });
});
