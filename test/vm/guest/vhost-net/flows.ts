// UDP flows over all queue pairs of a port: the kernel sends the answers of a flow to where it came from.
import { type Socket, createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import type { NetPort } from '@vio/net';
import { openVirtioUser } from '@vio/virtio-user';
import { until } from '@vio/test-support/plain';
import { ip, sh } from '../commands.ts';
import { udpFrame, udpPayload, uniquePayload } from '../udp-frames.ts';

const here = '10.4.0.2';
const kernel = '10.4.0.1';
const flows = 24;
const perFlow = 3;
/** The kernel's port, where the source ports of the flows begin. */
const firstPort = 6000;
const longest = 8900;
/** Datagrams that wait for their answers: the kernel's socket has room for some large ones only. */
const inFlight = 6;

/** What a round of flows saw. */
interface Round {
  /** Answers that were damaged. */
  readonly wrong: number;
  /** By queue pair: flows whose answers came there, and how many. */
  readonly answers: readonly (readonly [flow: number, answers: number])[][];
}

/** A round for each number of queue pairs, which are set while the port is open. @param queues of the port */
export async function carryFlows(queues: number, rounds: readonly number[]) {
  const cq = rounds.some((pairs) => pairs !== queues) ? ',cq=1' : '';
  const port = await openVirtioUser(
    `net_virtio_user0,path=/dev/vhost-net,iface=tap0,queue_size=64,queues=${queues}${cq}`,
  );
  ip([
    `addr add ${kernel}/24 dev tap0`,
    'link set tap0 mtu 9000 up',
    `neigh add ${here} lladdr ${port.mac} dev tap0`,
  ]);
  const echo = await echoSocket();
  const reports: Round[] = [];
  const attached: number[] = [];
  for (const pairs of rounds) {
    if (pairs !== port.control.queuePairs) await port.control.setQueuePairs(pairs);
    reports.push(await carry(port, pairs));
    attached.push(Number(/numqueues (\d+)/.exec(await sh('ip -d link show tap0'))?.[1] ?? 1));
  }
  echo.close();
  await port.close();
  return { reports, attached };
}

async function carry(port: NetPort, pairs: number): Promise<Round> {
  const stop = new AbortController();
  const answers = port.rx.map(() => new Map<number, number>());
  let wrong = 0;
  const reading = port.rx.map(async (_, queue) => {
    for await (const frame of port.packets({ queue, signal: stop.signal })) {
      const flow = new DataView(frame.buffer).getUint16(36) - firstPort;
      const payload = udpPayload(frame, firstPort + flow);
      if (payload === undefined) continue;
      if (Buffer.compare(payload, payloadOf(flow, payload[0])) !== 0) wrong++;
      answers[queue].set(flow, (answers[queue].get(flow) ?? 0) + 1);
    }
  });
  const count = (): number => answers.flatMap((each) => [...each.values()]).reduce((a, b) => a + b, 0);
  const arrived = (least: number): Promise<void> => until(() => count() >= least, 20_000);
  const toMac = readFileSync('/sys/class/net/tap0/address', 'utf8').trim();
  const ends = { fromMac: port.mac, toMac, from: here, to: kernel, port: firstPort };
  for (let sent = 0; sent < flows * perFlow; sent++) {
    const flow = sent % flows;
    const payload = payloadOf(flow, Math.floor(sent / flows));
    await port.send(udpFrame({ ...ends, sourcePort: firstPort + flow }, payload), { queue: flow % pairs });
    await arrived(sent - inFlight);
  }
  await arrived(flows * perFlow);
  stop.abort();
  await Promise.all(reading);
  return { wrong, answers: answers.map((each) => [...each].toSorted(([a], [b]) => a - b)) };
}

/** A socket of the kernel's that sends back what it gets. */
async function echoSocket(): Promise<Socket> {
  const echo = createSocket('udp4');
  echo.on('message', (message, { port, address }) => echo.send(message, port, address));
  await new Promise<void>((resolve) => echo.bind(firstPort, kernel, resolve));
  return echo;
}

/** The number of the datagram, then bytes of its own. */
function payloadOf(flow: number, n: number): Uint8Array {
  const payload = uniquePayload(flow * perFlow + n, 1 + (((flow * perFlow + n) * 977) % longest));
  payload[0] = n;
  return payload;
}
