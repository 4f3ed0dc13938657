// Says that it listens, and takes so many bytes of datagrams. Arguments: address of the host behind the card, port, bytes. Prints their
// lengths, and the hash of all of them in their order.
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';

const [address, port, bytes] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const hello = 'ready';
const socket = createSocket('udp4');
const hash = createHash('sha256');
const lengths: number[] = [];
let left = bytes;
// What says so may be lost as well.
const again = setInterval(() => socket.send(hello, port, address), 300);
socket.on('message', (datagram) => {
  // The host sends back what it gets.
  if (datagram.length === hello.length) return;
  clearInterval(again);
  lengths.push(datagram.length);
  hash.update(datagram);
  left -= datagram.length;
  if (left > 0) return;
  console.log(JSON.stringify({ lengths, hash: hash.digest('hex') }));
  socket.close();
});
socket.bind(port, () => socket.send(hello, port, address));
