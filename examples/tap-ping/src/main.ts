// Makes a tap, and answers ARP and ping for one address behind it. Arguments: name of the tap, the host's address
// with prefix length, the address to answer for. Needs CAP_NET_ADMIN.
import { execFileSync } from 'node:child_process';
import { readSync, writeSync } from 'node:fs';
import { FdWatcher } from '@vio/native';
import { Tap } from '@vio/vhost-kernel';
import { type Station, answer } from './answer.js';

const [name = 'ping%d', host = '10.77.0.1/24', address = '10.77.0.2'] = process.argv.slice(2);
if (name.startsWith('-')) {
  console.error('usage: node dist/main.js [TAP [ADDRESS/BITS [ADDRESS]]]');
  process.exit(2);
}
const station: Station = {
  mac: Uint8Array.of(0x02, 0, 0, 0, 0, 0x77),
  address: Uint8Array.from(address.split('.'), Number),
};

using tap = Tap.open({ name, up: true });
execFileSync('ip', ['addr', 'add', host, 'dev', tap.name]);
const [fd] = tap.fds;
const buffer = new Uint8Array(65_536);
let answered = 0;

/** One frame, or 0 bytes when none is waiting: the descriptor does not block. */
function readFrame(): number {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0;
    throw error;
  }
}

function onReadable(): void {
  for (let bytes = readFrame(); bytes > 0; bytes = readFrame()) {
    const frame = buffer.subarray(0, bytes);
    if (!answer(frame, station)) continue;
    writeSync(fd, frame);
    answered++;
  }
}

const watcher = new FdWatcher(fd, { readable: true }, onReadable);
console.log(`${tap.name} is up: ping ${address}`);
await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
watcher.close();
console.log(`answered ${answered} frames`);
