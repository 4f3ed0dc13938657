import type { UnderlyingSource } from 'node:stream/web';

/** A Web stream of what a generator yields; cancelling it ends the generator, even one that waits for a frame. */
export function readableStream(
  read: (signal: AbortSignal) => AsyncGenerator<Uint8Array, void, undefined>,
  signal: AbortSignal | undefined,
): ReadableStream<Uint8Array> {
  const cancelled = new AbortController();
  const frames = read(either(cancelled.signal, signal));
  const source: UnderlyingSource<Uint8Array> = {
    async pull(controller) {
      const { value, done } = await frames.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      cancelled.abort();
      await frames.return();
    },
  };
  // Nothing is received before somebody reads.
  return new ReadableStream(source, { highWaterMark: 0 });
}

/**
 * A Web stream whose chunks go to `send`, one at a time: the stream's backpressure is the ring's. Aborting it gives
 * up a frame that waits for room.
 */
export function writableStream(
  send: (bytes: Uint8Array, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal | undefined,
): WritableStream<Uint8Array> {
  let ended: AbortSignal;
  return new WritableStream<Uint8Array>({
    start(controller) {
      // The types of Node 20 leave out a property that it has.
      const { signal: aborted } = controller as typeof controller & { readonly signal: AbortSignal };
      ended = either(aborted, signal);
    },
    write: (bytes) => send(bytes, ended),
  });
}

function either(one: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  return other === undefined ? one : AbortSignal.any([one, other]);
}
