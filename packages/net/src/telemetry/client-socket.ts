import type { Duplex } from 'node:stream';
import { type UnixStream, closeFd, dupFd } from '@vio/native';
import { disownFd } from '@vio/native/internal';

/** It reads once at a time: whenever somebody asks it to. A client that has said all is answered still. */
const options = { readableHighWaterMark: 1, allowHalfOpen: true } as const;
/** Bytes that are read at once. */
const readBytes = 65_536;

/** What serving lines and HTTP takes of a client's socket. */
export interface ClientSocket extends Duplex {
  /** Ends it once all is sent. */
  destroySoon(): void;
  /** Does not keep the process alive. */
  unref(): unknown;
}

/** Makes a client's socket of a stream, which is not used any more. */
type SocketMaker = (stream: UnixStream) => ClientSocket;

/** How they are made; what that takes is loaded by those who have clients. */
export async function clientSockets(): Promise<SocketMaker> {
  // Bun's own neither reads nor writes a descriptor that it is given.
  if (process.versions['bun'] !== undefined) {
    const { Duplex: Stream } = await import('node:stream');
    return (stream) => socketOver(stream, Stream);
  }
  const { Socket: NodeSocket } = await import('node:net');
  return (stream) => {
    const fd = dupFd(stream.fd);
    disownFd(fd);
    stream.close();
    return new NodeSocket({ fd, readable: true, writable: true, ...options });
  };
}

/** As much of a socket as there is to be. It ends whole: who has been told all is not read either. */
function socketOver(stream: UnixStream, Stream: typeof Duplex): ClientSocket {
  const target = new Uint8Array(readBytes);
  const next = async (): Promise<Buffer | null> => {
    for (;;) {
      await stream.readable();
      const found = stream.receive(target);
      for (const fd of found?.fds ?? []) closeFd(fd);
      if (found !== undefined) return found.bytes === 0 ? null : Buffer.from(target.subarray(0, found.bytes));
    }
  };
  const send = async (chunk: Buffer, done: (error?: Error) => void): Promise<void> => {
    let failure: Error | undefined;
    await stream.send(chunk).catch((error: Error) => (failure = error));
    done(failure);
  };
  const socket = new Stream({
    ...options,
    read() {
      next().then(
        (bytes) => socket.push(bytes),
        () => socket.destroy(),
      );
    },
    write(chunk: Buffer, _encoding, done) {
      void send(chunk, done);
    },
    final(done) {
      stream.close();
      done();
    },
    destroy(error, done) {
      stream.close();
      done(error);
    },
  });
  const destroySoon = (): void => void socket.end(() => socket.destroy());
  return Object.assign(socket, { destroySoon, unref: () => socket });
}
