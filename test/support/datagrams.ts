// Sends datagrams to a host that sends them back, from several ports, and compares every bit.
import { type Socket, createSocket } from 'node:dgram';
import { once } from 'node:events';

/** The port of a host that sends datagrams back. */
export const echoPort = 7;

export interface Exchange {
  readonly address: string;
  /** Datagrams per port. */
  readonly count: number;
  readonly ports: number;
  /** Is told how many are back, of all ports. */
  readonly progress?: (back: number) => void;
  /** Milliseconds after which what is not back is sent again; default: never. */
  readonly resend?: number;
}

export interface Exchanged {
  /** Came back as they were sent. */
  readonly right: number;
  /** Came back otherwise, or once more without having been sent again. */
  readonly wrong: number;
}

/** Datagrams on the way at once. */
const window = 16;
/** The longest that fits a frame of 1500 bytes. */
const longest = 1472;

/** A few ports at a time: a burst of all of them would not fit the rings, and UDP loses what does not. */
export async function exchangeDatagrams(exchange: Exchange): Promise<Exchanged> {
  const { ports } = exchange;
  const result = { right: 0, wrong: 0 };
  for (let port = 0; port < ports; port += 4) {
    const some = Array.from({ length: Math.min(4, ports - port) }, (_, i) => port + i);
    await Promise.all(some.map((one) => exchangeOn(one, exchange, result)));
  }
  return result;
}

async function exchangeOn(
  port: number,
  { address, count, progress, resend }: Exchange,
  result: { right: number; wrong: number },
): Promise<void> {
  const socket: Socket = createSocket('udp4').bind();
  await once(socket, 'listening');
  const open = new Set<number>();
  let next = 0;
  // Nobody is told of what does not get away: it is sent again, or missed.
  const send = (n: number): void => socket.send(payload(port, n), echoPort, address, () => {});
  const fill = (): void => {
    while (next < count && open.size < window) {
      open.add(next);
      send(next++);
    }
  };
  const again = resend === undefined ? undefined : setInterval(() => open.forEach(send), resend);
  await new Promise<void>((resolve) => {
    socket.on('message', (message) => {
      const n = message.length < 8 ? -1 : message.readUInt32LE(4);
      const right = n >= 0 && n < next && message.equals(payload(port, n));
      if (right && open.delete(n)) {
        result.right++;
        progress?.(result.right);
      } else if (!right || again === undefined) result.wrong++;
      fill();
      if (open.size === 0) resolve();
    });
    fill();
  });
  clearInterval(again);
  socket.close();
}

/** Bytes that no other number has; as many as are to be sent. */
function payload(port: number, n: number): Buffer {
  const bytes = Buffer.alloc(8 + ((n * 37 + port) % (longest - 7)));
  bytes.writeUInt32LE(port, 0);
  bytes.writeUInt32LE(n, 4);
  let state = Math.imul(n + 1, 0x9e37_79b1) ^ Math.imul(port + 1, 0x85eb_ca6b);
  for (let at = 8; at < bytes.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}
