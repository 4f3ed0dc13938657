// UDP flows over all queue pairs of a port: the kernel sends the answers of a flow to where it came from.
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openVirtioUser } from '@vio/virtio-user';
import { ip } from '../commands.ts';
import { udpFrame, udpPayload, uniquePayload } from '../udp-frames.ts';

const here = '10.4.0.2';
const kernel = '10.4.0.1';
const flows = 24;
const perFlow = 3;
/** Source ports of the flows begin here. */
const firstPort = 6000;
const longest = 8900;
/** Datagrams that wait for their answers. */
const inFlight = 6;

export async function carryFlows(queues: number) {
  const port = await openVirtioUser(
    `net_virtio_user0,path=/dev/vhost-net,iface=tap0,queues=${queues},queue_size=64`,
  );
  ip([
    `addr add ${kernel}/24 dev tap0`,
    'link set tap0 mtu 9000 up',
    `neigh add ${here} lladdr ${port.mac} dev tap0`,
  ]);
  const echo = createSocket('udp4');
  echo.on('message', (message, { port: from, address }) => echo.send(message, from, address));
  await new Promise<void>((resolve) => echo.bind(firstPort, kernel, resolve));

  const stop = new AbortController();
  const answers = port.rx.map(() => new Map<number, number>());
  let wrong = 0;
  const reading = port.rx.map(async (_, queue) => {
    for await (const frame of port.packets({ queue, signal: stop.signal })) {
      const flow = new DataView(frame.buffer).getUint16(36) - firstPort;
      const payload = udpPayload(frame, firstPort + flow);
      if (payload === null) continue;
      const n = payload[0];
      if (Buffer.compare(payload, payloadOf(flow, n)) !== 0) wrong++;
      answers[queue].set(flow, (answers[queue].get(flow) ?? 0) + 1);
    }
  });
  const count = (): number => answers.flatMap((each) => [...each.values()]).reduce((a, b) => a + b, 0);
  // The kernel's socket has room for some large datagrams only.
  const patience = performance.now() + 20_000;
  const until = async (least: number): Promise<void> => {
    while (count() < least && performance.now() < patience) await sleep(1);
  };
  const toMac = readFileSync('/sys/class/net/tap0/address', 'utf8').trim();
  const ends = { fromMac: port.mac, toMac, from: here, to: kernel, port: firstPort };
  for (let sent = 0; sent < flows * perFlow; sent++) {
    const flow = sent % flows;
    const frame = udpFrame(
      { ...ends, sourcePort: firstPort + flow },
      payloadOf(flow, Math.floor(sent / flows)),
    );
    await port.send(frame, { queue: flow % queues });
    await until(sent - inFlight);
  }
  await until(flows * perFlow);
  stop.abort();
  await Promise.all(reading);
  echo.close();
  await port.close();
  return {
    wrong,
    /** By queue pair: flows whose answers came there, and answers. */
    answers: answers.map((each) => [...each].toSorted(([a], [b]) => a - b)),
  };
}

/** The number of the datagram, then bytes of its own. */
function payloadOf(flow: number, n: number): Uint8Array {
  const payload = uniquePayload(flow * perFlow + n, 1 + (((flow * perFlow + n) * 977) % longest));
  payload[0] = n;
  return payload;
}
