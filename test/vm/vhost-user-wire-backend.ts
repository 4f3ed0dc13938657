// The wire between two devices of a guest, in a process that can be killed. Arguments: both sockets.
import { PacketBurst } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { type VhostDevice, VhostDriver, untilDevicePackets } from '@vio/vhost';
import { sayRingsWhenAsked } from './rings-said.ts';
import { tell } from './say.ts';
import { type Said, lastPort } from './vhost-user-plan.ts';

const say = (said: Said): boolean => tell(said);
const udp = 17;
const pool = privatePool(512);
const burst = new PacketBurst(32, { offloads: true });
const ends: (VhostDevice | undefined)[] = [undefined, undefined];
sayRingsWhenAsked(ends);

/** Dies of a datagram to a certain port. */
function look(): void {
  const { u8 } = pool.region;
  for (let i = 0; i < burst.count; i++) {
    const at = burst.offset[i];
    if (u8[at + 12] !== 8 || u8[at + 13] !== 0 || u8[at + 23] !== udp) continue;
    if (((u8[at + 36] << 8) | u8[at + 37]) === lastPort) process.kill(process.pid, 'SIGKILL');
  }
}

/** @returns how many packets went over to the other end */
function carry(from: VhostDevice | undefined, to: VhostDevice | undefined): number {
  const count = from?.dequeueBurst(1, pool, burst) ?? 0;
  look();
  to?.enqueueBurst(0, burst);
  burst.release();
  return count;
}

for (const [end, socket] of process.argv.slice(2).entries()) {
  const driver = VhostDriver.register(socket);
  driver.callbacks({
    newConnection: (device) => void (ends[end] = device),
    destroyConnection: () => void (ends[end] = undefined),
    refused: (_, { code, message }) => say({ trouble: `${code}: ${message}` }),
    broken: (_, queue, { code, detail }) => say({ trouble: `ring ${queue}: ${code}, ${detail}` }),
  });
  await driver.start();
}
say({ started: true });
for (;;) {
  const [near, far] = ends;
  if (carry(near, far) + carry(far, near) > 0) await new Promise((resolve) => setImmediate(resolve));
  else if (near === undefined || far === undefined) await new Promise((resolve) => setTimeout(resolve, 10));
  else await untilDevicePackets([near, far]);
}
