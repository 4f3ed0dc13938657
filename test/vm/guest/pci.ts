// A port on a QEMU network card; the kernel drives another one on the same wire. UDP both ways, then the card goes back
// to the kernel. Prints one JSON line.
import { createSocket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { bindDevice, describeDevice, listVirtioDevices, openPciPort, unbindDevice } from '@vio/pci-driver';
import { sh } from './commands.ts';
import { udpFrame, udpPayload, uniquePayload } from './udp-frames.ts';

const kernelCard = '0000:00:08.0';
const [driver = '', ours = '', rounds = '64'] = process.argv.slice(2);
const here = '10.2.0.2';
const kernel = '10.2.0.1';
const udpPort = 5000;

writeFileSync('/proc/sys/vm/nr_hugepages', '16');
const found = listVirtioDevices().map(({ address, type, transitional }) => ({ address, type, transitional }));
const previous = driver === 'none' ? unbindDevice(ours) : bindDevice(ours, driver);
const log: string[] = [];
const port = await openPciPort(ours, { log: (line) => log.push(line) });

const card = describeDevice(kernelCard)?.interfaces[0] ?? '';
const cardMac = readFileSync(`/sys/class/net/${card}/address`, 'utf8').trim();
await sh(`ip addr add ${kernel}/24 dev ${card}`);
await sh(`ip link set ${card} up`);
await sh(`ip neigh add ${here} lladdr ${port.mac} dev ${card}`);
const socket = createSocket('udp4');
await new Promise<void>((resolve) => socket.bind(udpPort, kernel, resolve));

const count = Number(rounds);
const lengths = Array.from({ length: count }, (_, n) => 1 + ((n * 97) % 1472));
const key = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const toKernel = new Set(lengths.map((length, n) => key(uniquePayload(n, length))));
const fromKernel = new Set(lengths.map((length, n) => key(uniquePayload(count + n, length))));
const wanted = { toKernel: toKernel.size, fromKernel: fromKernel.size };
let strangers = 0;
socket.on('message', (message) => {
  if (!toKernel.delete(key(message))) strangers++;
});
const stop = new AbortController();
const reading = (async () => {
  for await (const frame of port.packets({ signal: stop.signal })) {
    const payload = udpPayload(frame, udpPort);
    if (payload !== null && !fromKernel.delete(key(payload))) strangers++;
  }
})();

const ends = { fromMac: port.mac, toMac: cardMac, from: here, to: kernel, port: udpPort };
for (const [n, length] of lengths.entries()) {
  await port.send(udpFrame(ends, uniquePayload(n, length)));
  await new Promise((resolve) => socket.send(uniquePayload(count + n, length), udpPort, here, resolve));
}
for (let i = 0; i < 200 && toKernel.size + fromKernel.size > 0; i++) await sleep(25);
const lost = { toKernel: toKernel.size, fromKernel: fromKernel.size };
stop.abort();
await reading;
socket.close();
const { features, access, modern, interruptMode, mac } = port;
await port.close();

/** The kernel drives the card again, and brings it up. */
async function givenBack(): Promise<boolean> {
  bindDevice(ours, 'virtio-pci');
  const name = describeDevice(ours)?.interfaces[0] ?? '';
  await sh(`ip link set ${name} up`);
  return readFileSync(`/sys/class/net/${name}/carrier`, 'utf8').trim() === '1';
}
console.log(
  JSON.stringify({
    found,
    previous,
    log,
    features: features.toString(16),
    access,
    modern,
    interruptMode,
    mac,
    wanted,
    lost,
    strangers,
    givenBack: await givenBack(),
  }),
);
