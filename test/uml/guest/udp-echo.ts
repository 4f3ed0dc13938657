// Runs in the guest: sends datagrams to a host that sends them back, from several ports, and compares every bit.
// Arguments: address, how many per port, ports. The last line says how many came back right, and how many wrong.
import { type Socket, createSocket } from 'node:dgram';
import { once } from 'node:events';

const [address, wanted, ports] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const echoPort = 7;
/** Datagrams on the way at once. */
const window = 16;
/** The longest that fits a frame of 1500 bytes. */
const longest = 1472;

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

const result = { right: 0, wrong: 0 };

async function exchange(port: number): Promise<void> {
  const socket: Socket = createSocket('udp4').bind();
  await once(socket, 'listening');
  const open = new Set<number>();
  let next = 0;
  const fill = (): void => {
    while (next < wanted && open.size < window) {
      open.add(next);
      socket.send(payload(port, next++), echoPort, address);
    }
  };
  await new Promise<void>((resolve) => {
    socket.on('message', (message) => {
      const n = message.length < 8 ? -1 : message.readUInt32LE(4);
      if (open.delete(n) && message.equals(payload(port, n))) result.right++;
      else result.wrong++;
      fill();
      if (open.size === 0) resolve();
    });
    fill();
  });
  socket.close();
}

// A few at a time: a burst of all of them would not fit the rings, and UDP loses what does not.
for (let port = 0; port < ports; port += 4) {
  await Promise.all(Array.from({ length: Math.min(4, ports - port) }, (_, i) => exchange(port + i)));
}
console.log(JSON.stringify(result));
