// Usage: node dist/main.js IN.pcap OUT.pcap
//
// Sends every frame of a capture out of a virtio-user port, receives it again through an echoing backend, and writes
// what came back as a pcap file with the original times.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PcapPacket, readPcap, writePcap } from '@vio/net';
import { openVirtioUser } from '@vio/virtio-user';
import { startEcho } from './echo-backend.ts';

const [input, output] = process.argv.slice(2);
if (input === undefined || output === undefined) {
  console.error('usage: node dist/main.js IN.pcap OUT.pcap');
  process.exit(2);
}

const capture = readPcap(await readFile(input));
const directory = await mkdtemp(join(tmpdir(), 'vio-replay-'));
const socket = join(directory, 'vhost.sock');
const backend = await startEcho(socket);
try {
  await using port = await openVirtioUser({ path: socket, mrg_rxbuf: true });
  const frames = port.packets({ signal: AbortSignal.timeout(60_000) })[Symbol.asyncIterator]();
  const returned: PcapPacket[] = [];
  for (const packet of capture.packets) {
    await port.send(packet.bytes);
    const { value, done } = await frames.next();
    if (done === true) throw new Error('the port closed before every frame was back');
    returned.push({ ...packet, bytes: value, wireLength: value.length });
  }
  await frames.return?.();
  await writeFile(output, writePcap({ linkType: capture.linkType, packets: returned }));
  const bytes = returned.reduce((sum, packet) => sum + packet.bytes.length, 0);
  console.log(`${returned.length} frames, ${bytes} bytes went out and came back; written to ${output}`);
} finally {
  await backend.close();
  await rm(directory, { recursive: true, force: true });
}
