import { EventFd, UnixStream, closeFd } from '@vio/native';
import { openFds } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { frontendRequests } from './frontend-requests.ts';
import { encodeRaw, encodeRequest } from './message.ts';
import { MessageReader, type MessageSource, closeAll, maxPayloadBytes } from './message-reader.ts';

const { SET_FEATURES, SET_VRING_KICK } = frontendRequests;
const eventFds = (count: number): number[] => Array.from({ length: count }, () => EventFd.create().fd);

/** Pieces of a stream, each with the descriptors that arrive with its first byte; `closed` ends it. */
function source(pieces: { bytes: Uint8Array; fds?: number[] }[], closed = false): MessageSource {
  const queue = [...pieces];
  return {
    receive(target) {
      const [piece] = queue;
      if (piece === undefined) return closed ? { bytes: 0, fds: [], truncatedFds: false } : undefined;
      const taken = piece.bytes.subarray(0, target.length);
      target.set(taken);
      if (taken.length === piece.bytes.length) queue.shift();
      else queue[0] = { bytes: piece.bytes.subarray(taken.length) };
      return { bytes: taken.length, fds: piece.fds ?? [], truncatedFds: false };
    },
  };
}

describe('messages on a stream', () => {
  const first = encodeRequest(SET_FEATURES, 0x1122_3344n);
  const second = encodeRequest(SET_VRING_KICK, { index: 1, hasFd: true });

  it('arrive whole however the stream is cut', () => {
    for (let cut = 1; cut < first.length; cut++) {
      const reader = new MessageReader(
        source([{ bytes: first.subarray(0, cut) }, { bytes: first.subarray(cut) }]),
      );
      expect(reader.read()?.payload).toEqual(first.subarray(12));
    }
  });

  it('are not there before their last byte', () => {
    for (let cut = 1; cut < first.length; cut++) {
      expect(new MessageReader(source([{ bytes: first.subarray(0, cut) }])).read()).toBe(undefined);
    }
  });

  it('go on where the last read left off', () => {
    const pieces: { bytes: Uint8Array }[] = [];
    const reader = new MessageReader({ receive: (target) => source(pieces.splice(0)).receive(target) });
    for (let i = 0; i < first.length - 1; i++) {
      pieces.push({ bytes: first.subarray(i, i + 1) });
      expect(reader.read()).toBe(undefined);
    }
    pieces.push({ bytes: first.subarray(-1) });
    expect(reader.read()?.request).toBe(SET_FEATURES.id);
  });

  it('keep their own descriptors when they arrive together', async () => {
    const [a, b] = UnixStream.pair();
    const [fd] = eventFds(1);
    await a.send(first);
    await a.send(second, [fd]);
    await a.send(first);
    const reader = new MessageReader(b);
    const counts = [reader.read(), reader.read(), reader.read()].map((message) => {
      closeAll(message?.fds ?? []);
      return message?.fds.length;
    });
    expect(counts).toEqual([0, 1, 0]);
    [fd].forEach(closeFd);
    a.close();
    b.close();
  });

  it('are taken together as long as no descriptors come with them, which stay with theirs', async () => {
    const [a, b] = UnixStream.pair();
    const [fd] = eventFds(1);
    for (let i = 0; i < 3; i++) await a.send(first);
    await a.send(second, [fd]);
    await a.send(first);
    let exact = 0;
    const counted: MessageSource = { receive: (target) => (exact++, b.receive(target)) };
    const reader = new MessageReader(counted, undefined, b);
    const seen = Array.from({ length: 5 }, () => {
      const message = reader.read();
      closeAll(message?.fds ?? []);
      return [message?.request, message?.fds.length];
    });
    const { id } = SET_FEATURES;
    expect(seen).toEqual([[id, 0], [id, 0], [id, 0], [SET_VRING_KICK.id, 1], [id, 0]]); // prettier-ignore
    expect(exact).toBeGreaterThan(0);
    const before = exact;
    for (let i = 0; i < 3; i++) await a.send(first);
    expect([reader.read(), reader.read(), reader.read()].map((message) => message?.request)).toEqual([id, id, id]); // prettier-ignore
    expect(reader.read()).toBe(undefined);
    expect(exact).toBe(before);
    a.close();
    expect(() => reader.read()).toThrow(expect.objectContaining({ code: 'VIO_VHOST_DISCONNECTED' }));
    closeFd(fd);
    b.close();
  });

  it('take descriptors that come with the payload', () => {
    const reader = new MessageReader(
      source([{ bytes: second.subarray(0, 12) }, { bytes: second.subarray(12), fds: [901] }]),
    );
    expect(reader.read()?.fds).toEqual([901]);
  });

  it('are cut short when the peer closes within one, at any byte', () => {
    for (let cut = 1; cut < first.length; cut++) {
      const reader = new MessageReader(source([{ bytes: first.subarray(0, cut) }], true));
      expect(() => reader.read()).toThrow(expect.objectContaining({ code: 'VIO_VHOST_MESSAGE_TRUNCATED' }));
    }
  });

  it('end when the peer closes between two', () => {
    const reader = new MessageReader(source([{ bytes: first }], true));
    expect(reader.read()).not.toBe(undefined);
    expect(() => reader.read()).toThrow(expect.objectContaining({ code: 'VIO_VHOST_DISCONNECTED' }));
  });

  it('are refused before their payload when it is too long', () => {
    const header = encodeRaw(1, 1, new Uint8Array(maxPayloadBytes + 1)).subarray(0, 12);
    const reader = new MessageReader(source([{ bytes: header }]));
    expect(() => reader.read()).toThrow(expect.objectContaining({ code: 'VIO_VHOST_MESSAGE_SIZE' }));
  });

  it('are refused before their payload when the header is not liked', () => {
    const reader = new MessageReader(source([{ bytes: first.subarray(0, 12) }]), ({ request }) => {
      throw new RangeError(`no ${request}`);
    });
    expect(() => reader.read()).toThrow('no 2');
  });

  it('take at most eight descriptors, and none is left open', () => {
    const before = openFds();
    const reader = new MessageReader(
      source([
        { bytes: second.subarray(0, 1), fds: eventFds(5) },
        { bytes: second.subarray(1), fds: eventFds(4) },
      ]),
    );
    expect(() => reader.read()).toThrow(/file descriptors is 9, allowed is 0 to 8/);
    expect(openFds()).toBe(before);
  });

  it('are refused when the system could not deliver all their descriptors, and those it did are closed', () => {
    const before = openFds();
    const fds = eventFds(2);
    const reader = new MessageReader({ receive: () => ({ bytes: 1, fds, truncatedFds: true }) });
    expect(() => reader.read()).toThrow(expect.objectContaining({ code: 'VIO_VHOST_MESSAGE_FDS' }));
    expect(openFds()).toBe(before);
  });

  it('leave no descriptors behind when the peer closes within one', () => {
    const before = openFds();
    const reader = new MessageReader(source([{ bytes: second.subarray(0, 15), fds: eventFds(1) }], true));
    expect(() => reader.read()).toThrow(expect.objectContaining({ code: 'VIO_VHOST_MESSAGE_TRUNCATED' }));
    expect(openFds()).toBe(before);
  });

  it('leave no descriptors behind when reading is given up', () => {
    const before = openFds();
    const reader = new MessageReader(source([{ bytes: second.subarray(0, 15), fds: eventFds(1) }]));
    expect(reader.read()).toBe(undefined);
    reader.dispose();
    expect(openFds()).toBe(before);
  });
});
