// A backend between a guest and a tap, in a process of its own. Arguments: socket, name of the tap, `postcopy` or not.
import { readSync, writeSync } from 'node:fs';
import { PacketBurst } from '@vio/net';
import { readFrames, writeFrames } from '@vio/net/testing';
import { privatePool } from '@vio/rings/testing';
import { ReceiveSteering, VhostDriver, type VhostDevice } from '@vio/vhost';
import { Tap } from '@vio/vhost-kernel';
import { pairs } from './plan.ts';

const [socket, name, postcopy] = process.argv.slice(2);
const say = (line: string): boolean => process.stdout.write(`${line}\n`);
const tap = Tap.open({ name, up: true });
const [fd] = tap.fds;
const count = 512;
const pool = privatePool(count);
const burst = new PacketBurst(32);
const frame = new Uint8Array(65_536);

function read(): Uint8Array[] {
  const frames: Uint8Array[] = [];
  try {
    while (frames.length < burst.capacity) frames.push(frame.slice(0, readSync(fd, frame)));
  } catch {
    // Nothing more is there.
  }
  return frames;
}

function write(bytes: Uint8Array): void {
  try {
    writeSync(fd, bytes);
  } catch {
    // The wire is full.
  }
}

/** Serves a device until its frontend is gone. */
function serve(device: VhostDevice, gone: AbortSignal): void {
  const steering = new ReceiveSteering(device);
  const turn = (): void => {
    if (gone.aborted) return;
    let moved = 0;
    for (let pair = 0; pair < device.pairsInUse; pair++) {
      moved += device.dequeueBurst(2 * pair + 1, pool, burst);
      steering.learn(pair, burst);
      for (const bytes of readFrames(burst)) write(bytes);
      burst.release();
    }
    // While no guest is here the wire is left to the others.
    const frames = device.running ? read() : [];
    if (frames.length > 0) {
      writeFrames(pool, burst, frames);
      steering.deliver(burst, 0, burst.count);
      burst.release();
    }
    if (moved + frames.length > 0) setImmediate(turn);
    else setTimeout(turn, 1);
  };
  turn();
}

const ends = new Map<VhostDevice, AbortController>();
const driver = VhostDriver.register(socket, { postcopySupport: postcopy === 'postcopy' });
driver.setQueueNum(pairs);
driver.callbacks({
  newConnection: (device) => {
    const end = new AbortController();
    ends.set(device, end);
    serve(device, end.signal);
  },
  destroyConnection: (device, { code, message }) => {
    ends.get(device)?.abort();
    if (code !== 'VIO_VHOST_DISCONNECTED') say(`ended: ${code}, ${message}`);
  },
  refused: (_, { code, message }) => say(`refused: ${code}, ${message}`),
  broken: (_, queue, { code, detail }) => say(`broken: ring ${queue}, ${code}, ${detail}`),
});
await driver.start();
say('listens');
