// Many ports and devices in one process: what it takes to open them, what they cost idle, and what they carry in all.
// Arguments: PORTS QUEUES. Prints one line of JSON.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PacketBurst } from '@vio/net';
import { privatePool } from '@vio/rings/testing';
import { type VhostDevice, VhostDriver } from '@vio/vhost';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import type { Scale } from '../solo/scale.ts';

const count = Number(process.argv[2]);
const queues = Number(process.argv[3]);
const queueSize = 32;
const burstSize = 16;

const directory = mkdtempSync(join(tmpdir(), 'vio-scale-'));
/** Kibibytes of this process, memory that a port shares with its device counted once. */
const resident = (): number =>
  Number(/^Pss:\s+(\d+)/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1]);
const descriptors = (): number => readdirSync('/proc/self/fd').length;

const devices: VhostDevice[] = [];
const drivers: VhostDriver[] = [];
const ports: VirtioUserPort[] = [];
const before = { resident: resident(), descriptors: descriptors() };
const begin = process.cpuUsage();
for (let i = 0; i < count; i++) {
  const path = join(directory, `${i}.sock`);
  const driver = VhostDriver.register(path);
  driver.setQueueNum(queues);
  driver.callbacks({ newDevice: (device) => devices.push(device) });
  await driver.start();
  drivers.push(driver);
  ports.push(
    await openVirtioUser(
      { path, queues, queue_size: queueSize },
      { memory: { buffers: queues * (queueSize + burstSize) } },
    ),
  );
}
const opened = cpuTime(begin);
const after = { resident: resident(), descriptors: descriptors() };

const idleBegin = process.cpuUsage();
await sleep(1000);
const idle = cpuTime(idleBegin);

const scale: Scale = {
  ports: count,
  queues,
  openMilliseconds: opened / count,
  kibibytes: (after.resident - before.resident) / count,
  descriptors: (after.descriptors - before.descriptors) / count,
  idlePercent: idle / 10,
  mpps: moved(500),
};
console.log(JSON.stringify(scale));
for (const port of ports) await port.close();
for (const driver of drivers) await driver.close();
rmSync(directory, { recursive: true });

/** @returns milliseconds of CPU of this process since then, whatever else the machine does */
function cpuTime(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

/** @returns million packets a second of CPU, one burst after the other through every queue pair of every port, there and back */
function moved(milliseconds: number): number {
  const pool = privatePool();
  const burst = new PacketBurst(burstSize);
  const back = new PacketBurst(burstSize);
  const round = (): number => {
    let packets = 0;
    for (const [i, port] of ports.entries()) {
      const device = devices[i];
      for (let pair = 0; pair < queues; pair++) {
        burst.allocate(port.pool, burstSize, 64);
        burst.release(port.tx[pair].send(burst));
        device.dequeueBurst(2 * pair + 1, pool, back);
        device.enqueueBurst(2 * pair, back);
        back.release();
        packets += port.rx[pair].receive(burst);
        burst.release();
      }
    }
    return packets;
  };
  const warm = performance.now() + milliseconds;
  while (performance.now() < warm) round();
  let packets = 0;
  const end = performance.now() + milliseconds;
  const start = process.cpuUsage();
  while (performance.now() < end) packets += round();
  return packets / cpuTime(start) / 1000;
}
