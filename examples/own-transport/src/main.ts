// Frames go to a device of our own and come back.
import { featureNames, openPort } from '@vio/net';
import { LoopbackDevice } from './loopback-device.ts';

const count = Number(process.argv[2] ?? 1000);
if (!(count > 0)) {
  console.error('usage: node dist/main.js [FRAMES]');
  process.exit(2);
}

await using port = await openPort(new LoopbackDevice());
console.log(`features: ${featureNames(port.features).join(' ')}; path: ${port.paths.rx.path}`);

const packets = port.packets();
let same = 0;
for (let i = 0; i < count; i++) {
  const frame = new Uint8Array(60).fill(i & 255);
  await port.send(frame);
  const { value } = await packets.next();
  if (value !== undefined && Buffer.compare(value, frame) === 0) same++;
}
console.log(`${same} of ${count} frames came back as they went`);
