/** A Web stream of what a generator yields; cancelling it ends the generator. */
export function readableStream(
  frames: AsyncGenerator<Uint8Array, void, undefined>,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await frames.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await frames.return();
    },
  });
}

/** A Web stream whose chunks go to `send`, one at a time: the stream's backpressure is the ring's. */
export function writableStream(send: (bytes: Uint8Array) => Promise<void>): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({ write: send });
}
