// Our side of a measurement: a plain Node process that polls in a loop when it is told to.
// Arguments: frontend DEVARGS [OPTIONS as JSON] | backend SOCKET
import { NetPort } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { type OpenOptions, openVirtioUser } from '@vio/virtio-user';
import type { Mode } from '../modes.ts';
import { type Loop, deviceLoops, portLoops } from './loops.ts';

export interface Order {
  /** Null: stop. */
  readonly mode: Mode | undefined;
  /** Frame length in bytes. */
  readonly length: number;
}

/** Polls between two looks at the event loop: some milliseconds under load. */
const pollsPerTurn = 2000;

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
  process.send?.('listening');
  const device = await appeared;
  return (mode, length) => deviceLoops[mode](device, pool, length);
}

const [side, where, options] = process.argv.slice(2);
const makeLoop = await (side === 'frontend' ? frontend(where) : backend(where));
const loops = new Map<string, Loop>();
let running: Loop | undefined;

function turn(): void {
  if (running === undefined) return;
  running(pollsPerTurn);
  setImmediate(turn);
}

process.on('message', ({ mode, length }: Order) => {
  const key = `${mode} ${length}`;
  if (mode !== undefined && !loops.has(key)) loops.set(key, makeLoop(mode, length));
  const idle = running === undefined;
  running = mode === undefined ? undefined : loops.get(key);
  process.send?.(mode === undefined ? 'stopped' : 'started');
  if (idle) turn();
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
