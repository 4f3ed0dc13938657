import type { Duplex } from 'node:stream';
import type { ClientSocket } from '../telemetry/client-socket.ts';
import type { BudgetAccount } from '../telemetry/work-budget.ts';

/** Bytes that are passed on at once: a piece of work is as short as what they can ask for. */
const bytesAtOnce = 4096;
/** Milliseconds that a client may leave what it was sent unread. */
const patience = 15_000;

/**
 * A connection that is read when it is its turn. What is made of the bytes as they come, answers among it, is paid for by the client's
 * account; until then they wait in the kernel's buffers.
 * @param Stream Node's class, which is loaded by those who have clients
 */
export function pacedConnection(socket: ClientSocket, account: BudgetAccount, Stream: typeof Duplex): Duplex {
  /** Whoever has this connection has room for more. */
  let wanted = false;
  let wake = (): void => {};
  const connection = new Stream({
    read() {
      wanted = true;
      wake();
    },
    write(chunk: Buffer, _encoding, done) {
      const timer = setTimeout(() => connection.destroy(), patience).unref();
      socket.write(chunk, (error) => {
        clearTimeout(timer);
        done(error);
      });
    },
    final: (done) => void socket.end(() => done()),
    destroy(error, done) {
      socket.destroy();
      wake();
      done(error);
    },
  });
  const room = async (): Promise<void> => {
    if (!wanted && !connection.destroyed) await new Promise<void>((resolve) => (wake = resolve));
    wanted = false;
  };
  /** Until the client has said all, or is gone. */
  const carry = async (): Promise<void> => {
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; at += bytesAtOnce) {
        await room();
        if (connection.destroyed) return;
        await account.spend(() => void connection.push(chunk.subarray(at, at + bytesAtOnce)));
      }
    }
    connection.push(null);
  };
  connection.on('error', () => {});
  socket.on('close', () => connection.destroy());
  void carry().catch(() => connection.destroy());
  return connection;
}
