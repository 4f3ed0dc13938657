// What it costs a backend to keep the log of a guest that is moved (LOG_ALL): the same device with it and without, turn about.
import { SharedMemory } from '@vio/native';
import { openPort } from '@vio/net';
import type { GoldenRow } from '@vio/test/golden-rows';
import {
  FrontendDevice,
  VHOST_F_LOG_ALL,
  VHOST_USER_PROTOCOL_F_LOG_SHMFD,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_STATUS,
  VhostUserFrontend,
} from '@vio/vhost';
import { deviceLoops, portLoops } from '../own/loops.ts';
import { median } from '@vio/test/median';
import { timeTurns } from './cost.ts';
import { pairOf } from './pair.ts';

/** Nanoseconds per packet at the backend, and what it moves with the log, for what it moves without: median of neighbours. */
export interface Logged {
  readonly off: number;
  readonly on: number;
  readonly ratio: number;
}

export interface LogCost {
  readonly dequeue: Logged;
  readonly enqueue: Logged;
}

type State = 'off' | 'on';
/** Neighbours in time are compared, and neither state comes first more often. */
const order: readonly State[] = ['off', 'on', 'on', 'off'];
const warmUpRounds = 2;
const pageBytes = 4096;

interface Sample {
  readonly dequeue: number;
  readonly enqueue: number;
}

/** @param rounds of four windows */
export async function logCost(row: GoldenRow, length: number, rounds: number): Promise<LogCost> {
  const { frontend, pair } = await openLogged(row);
  await using _ = pair;
  const { port, device, pool } = pair;
  const portTransmit = portLoops.txonly(port, length);
  const portReceive = portLoops.rxonly(port, length);
  const deviceReceive = deviceLoops.rxonly(device, pool, length);
  const deviceTransmit = deviceLoops.txonly(device, pool, length);
  const end = Math.max(...device.memoryTable().map(({ guestAddress, size }) => guestAddress + size));
  using log = SharedMemory.create({
    size: Math.ceil(end / pageBytes / 8 / pageBytes) * pageBytes,
    name: 'vio-log',
  });
  await frontend.setLogBase({ size: log.buffer.byteLength, offset: 0 }, log.fd);
  const bits = new Uint8Array(log.buffer);
  const features = device.features & ~VHOST_F_LOG_ALL;

  const window = async (state: State): Promise<Sample> => {
    await frontend.setFeatures(state === 'on' ? features | VHOST_F_LOG_ALL : features);
    // A frontend takes the pages away, and they are marked again.
    bits.fill(0);
    const [, dequeue] = timeTurns(portTransmit, deviceReceive);
    const [enqueue] = timeTurns(deviceTransmit, portReceive);
    if (bits.some((byte) => byte !== 0) !== (state === 'on')) throw new Error(`the log is not ${state}`);
    return { dequeue, enqueue };
  };
  const samples: Record<State, Sample[]> = { off: [], on: [] };
  for (let round = 0; round < rounds + warmUpRounds; round++) {
    for (const state of order) {
      const sample = await window(state);
      if (round >= warmUpRounds) samples[state].push(sample);
    }
  }
  const logged = (of: keyof Sample): Logged => ({
    off: median(samples.off.map((sample) => sample[of])),
    on: median(samples.on.map((sample) => sample[of])),
    ratio: median(samples.on.map((sample, i) => samples.off[i][of] / sample[of])),
  });
  return { dequeue: logged('dequeue'), enqueue: logged('enqueue') };
}

async function openLogged({ packed, mergeable, inOrder }: GoldenRow) {
  let frontend: VhostUserFrontend | undefined;
  const pair = await pairOf(async (socket) => {
    frontend = await VhostUserFrontend.connect(socket, { protocolFeatures: wantedProtocol });
    return openPort(new FrontendDevice(frontend), { packed, mergeable, inOrder });
  });
  if (frontend === undefined) throw new Error('nobody has connected');
  return { frontend, pair };
}

const wantedProtocol =
  VHOST_USER_PROTOCOL_F_MQ |
  VHOST_USER_PROTOCOL_F_REPLY_ACK |
  VHOST_USER_PROTOCOL_F_STATUS |
  VHOST_USER_PROTOCOL_F_LOG_SHMFD;
