// Usage: node dist/main.js serve ADDRESS | node dist/main.js ask ADDRESS SERVER NAME
// The port is the one this container was given: see openVirtioUser without an argument.
import { VioError } from '@vio/native';
import { type NetPort, macToBytes } from '@vio/net';
import { openVirtioUser } from '@vio/virtio-user';
import { arpAnswer, arpRequest, datagramIn, frameOf, macInArp } from './datagram.ts';
import { addressIn, answerTo, queryFor } from './dns.ts';

const zone = new Map([
  ['www.vio.test', '10.56.0.80'],
  ['db.vio.test', '10.56.0.81'],
]);
const dnsPort = 53;
const ownPort = 40_053;
/** Milliseconds between two questions. */
const patience = 200;

const bytesOf = (address: string): Uint8Array => Uint8Array.from(address.split('.'), Number);
const [role, own = '', server = '', name = ''] = process.argv.slice(2);
const isAddress = (text: string): boolean => /^(\d{1,3}\.){3}\d{1,3}$/.test(text);
if (!(
  (role === 'serve' && isAddress(own)) ||
  (role === 'ask' && isAddress(own) && isAddress(server) && name !== '')
)) {
  console.error('usage: node dist/main.js serve ADDRESS | node dist/main.js ask ADDRESS SERVER NAME');
  process.exit(2);
}

/** Answers who asks for the address, and who asks for a name. */
async function serve(port: NetPort, signal: AbortSignal): Promise<void> {
  const mac = macToBytes(port.mac);
  const address = bytesOf(own);
  for await (const frame of port.packets({ signal })) {
    const arp = arpAnswer(frame, mac, address);
    if (arp !== undefined) await port.send(arp);
    const question = datagramIn(frame);
    if (question === undefined || question.toPort !== dnsPort || Buffer.compare(question.to, address) !== 0)
      continue;
    const payload = answerTo(question.payload, zone);
    if (payload === undefined) continue;
    const { fromMac, from, to, fromPort } = question;
    await port.send(
      frameOf({
        fromMac: mac,
        toMac: fromMac,
        from: to,
        to: from,
        fromPort: dnsPort,
        toPort: fromPort,
        payload,
      }),
    );
  }
}

/** Asks until it is answered: first for the server, then for the name. */
async function ask(port: NetPort): Promise<string> {
  const mac = macToBytes(port.mac);
  const [from, to] = [bytesOf(own), bytesOf(server)];
  const id = process.pid & 0xffff;
  let question = arpRequest(mac, from, to);
  const again = setInterval(() => void port.send(question).catch(() => {}), patience);
  try {
    await port.send(question);
    for await (const frame of port.packets()) {
      const serverMac = macInArp(frame, to);
      if (serverMac !== undefined) {
        const payload = queryFor(name, id);
        question = frameOf({
          fromMac: mac,
          toMac: serverMac,
          from,
          to,
          fromPort: ownPort,
          toPort: dnsPort,
          payload,
        });
        await port.send(question);
      }
      const answer = datagramIn(frame);
      if (answer?.toPort === ownPort) return addressIn(answer.payload, id) ?? 'no such name';
    }
  } finally {
    clearInterval(again);
  }
  throw port.link.reason ?? new Error('the link went down');
}

try {
  const port = await openVirtioUser();
  if (role === 'ask') console.log(`${name}: ${await ask(port)}`);
  else {
    const stop = new AbortController();
    process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort());
    console.log(`answering for ${[...zone.keys()].join(', ')} at ${own}`);
    await serve(port, stop.signal);
  }
  await port.close();
} catch (error) {
  console.error(VioError.is(error) ? `${error.message}\nremedy: ${error.remedy}` : error);
  process.exitCode = 1;
}
