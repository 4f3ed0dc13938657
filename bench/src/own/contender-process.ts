// Our side of a measurement: a plain Node process that polls in a loop when it is told to.
// Arguments: frontend DEVARGS [OPTIONS as JSON] | backend SOCKET
import { NetPort } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { type OpenOptions, openVirtioUser } from '@vio/virtio-user';
import type { Mode } from '../modes.ts';
import { type Loop, deviceLoops, pollCounter, portLoops } from './loops.ts';
import type { Polls } from './polls.ts';

export type Order =
  | {
      readonly to: 'run';
      readonly mode: Mode;
      /** Frame length in bytes. */
      readonly length: number;
    }
  | { readonly to: 'stop' | 'count' };

export interface Answer {
  readonly said: 'listening' | 'ready' | 'started' | 'stopped' | 'counted';
  /** Since they were asked for last. */
  readonly polls?: Polls;
}

/** Polls between two looks at the event loop: some milliseconds under load, and as many as those of `vio run` once nothing moves. */
const pollsPerTurn = 2000;
const pollsPerIdleTurn = 256;

type MakeLoop = (mode: Mode, length: number) => Loop;

async function frontend(devargs: string): Promise<MakeLoop> {
  const own: OpenOptions = options === undefined ? {} : (JSON.parse(options) as OpenOptions);
  const port: NetPort = await openVirtioUser(devargs, own);
  return (mode, length) => portLoops[mode](port, length);
}

async function backend(socket: string): Promise<MakeLoop> {
  const count = 2048;
  const pool = privatePool(count);
  const driver = VhostDriver.register(socket);
  const appeared = new Promise<VhostDevice>((newDevice) => driver.callbacks({ newDevice }));
  await driver.start();
  say({ said: 'listening' });
  const device = await appeared;
  return (mode, length) => deviceLoops[mode](device, pool, length);
}

const [side, where, options] = process.argv.slice(2);
const makeLoop = await (side === 'frontend' ? frontend(where) : backend(where));
const loops = new Map<string, Loop>();
let running: Loop | undefined;

let idle = false;

function turn(): void {
  if (running === undefined) return;
  idle = running(idle ? pollsPerIdleTurn : pollsPerTurn) === 0;
  setImmediate(turn);
}

function say(answer: Answer): void {
  process.send?.(answer);
}

function run(mode: Mode, length: number): void {
  const key = `${mode} ${length}`;
  const loop = loops.get(key) ?? makeLoop(mode, length);
  loops.set(key, loop);
  const stood = running === undefined;
  running = loop;
  say({ said: 'started' });
  if (stood) turn();
}

process.on('message', (order: Order) => {
  if (order.to === 'run') return run(order.mode, order.length);
  if (order.to === 'count') return say({ said: 'counted', polls: pollCounter.take() });
  running = undefined;
  say({ said: 'stopped' });
});
process.on('disconnect', () => process.exit(0));
say({ said: 'ready' });
