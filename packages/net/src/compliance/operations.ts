import assert from 'node:assert/strict';
import type { DevicePort } from '../device/device-port.ts';
import { openPort } from '../device/open-port.ts';
import type { NetDevice } from '../device/net-device.ts';
import type { PortOptions } from '../device/port-options.ts';
import { WorkerPort } from '../port/worker-port.ts';
import { VLAN_PRESENT } from '../frames/vlan.ts';
import {
  aWhile,
  rejectionCode,
  exchangeFrames,
  exchangeBursts,
  uniqueFrame,
  isOurs,
  patience,
} from './exchange.ts';

const frames = (port: DevicePort | WorkerPort): Uint8Array[] =>
  [60, 64, 1514].map((size) => uniqueFrame(port, size));

/** Stopped and started, again and again: nothing passes in between, and all of it afterwards. */
export async function stopAndStart(port: DevicePort): Promise<void> {
  const links: boolean[] = [];
  port.on('link', ({ up, reason }) => links.push(up || reason !== undefined));
  const up = port.link.up;
  for (let round = 0; round < 3; round++) {
    await exchangeFrames(port, frames(port));
    const before = port.stats()['tx_q0_good_packets'];
    await port.stop();
    await port.stop();
    assert.deepEqual([port.stopped, port.link], [true, { up: false }]);
    assert.equal(await rejectionCode(port.send(uniqueFrame(port, 60))), 'VIO_PORT_STOPPED');
    const burst = port.burst();
    burst.allocate(port.pool, 1, 60);
    assert.deepEqual([port.tx[0].send(burst), port.rx[0].receive(port.burst())], [0, 0]);
    burst.release();
    await port.start();
    await port.start();
    // The link of a real device may come up at any time.
    assert.deepEqual([port.stopped, port.link.up || !up], [false, true]);
    assert.equal(port.stats()['tx_q0_good_packets'], before, 'counters go on');
  }
  await exchangeFrames(port, frames(port));
  await exchangeBursts(port, 0, frames(port));
  if (up) assert.deepEqual(links, [false, true, false, true, false, true]);
}

/** Who reads while the port is stopped waits, and has what comes afterwards. */
export async function readThroughStop(port: DevicePort): Promise<void> {
  const packets = port.packets({ signal: AbortSignal.timeout(patience) });
  let got: Uint8Array | undefined;
  const reading = (async () => {
    for await (const frame of packets) {
      if (!isOurs(frame)) continue;
      got = frame;
      break;
    }
  })();
  await port.stop();
  await aWhile();
  await port.start();
  const frame = uniqueFrame(port, 100);
  await port.send(frame);
  await reading;
  assert.deepEqual(got, frame);
}

/** Single queues are stopped and started while the port runs. */
export async function stopQueues(port: DevicePort): Promise<void> {
  await port.stopQueue({ direction: 'tx', queue: 0 });
  assert.equal(await rejectionCode(port.send(uniqueFrame(port, 60))), 'VIO_QUEUE_STOPPED');
  assert.equal(port.isQueueStarted({ direction: 'tx', queue: 0 }), false);
  await port.startQueue({ direction: 'tx', queue: 0 });
  await exchangeFrames(port, frames(port));
  await port.stopQueue({ direction: 'rx', queue: 0 });
  assert.equal(port.rx[0].receive(port.burst()), 0);
  await port.startQueue({ direction: 'rx', queue: 0 });
  await exchangeFrames(port, frames(port));
  await assert.rejects(port.stopQueue({ direction: 'rx', queue: 1000 }), RangeError);
  await port.stop();
  assert.equal(await rejectionCode(port.startQueue({ direction: 'rx', queue: 0 })), 'VIO_PORT_STOPPED');
  await port.start();
  await exchangeFrames(port, frames(port));
}

/** Queues whose start is deferred are silent until they are started, and after every stop of the port. */
export async function startLate(device: NetDevice, options: PortOptions): Promise<void> {
  const deferredStart = [
    { direction: 'rx', queue: 0 },
    { direction: 'tx', queue: 0 },
  ] as const;
  await using port = await openPort(device, { ...options, deferredStart });
  for (let round = 0; round < 2; round++) {
    assert.equal(await rejectionCode(port.send(uniqueFrame(port, 60))), 'VIO_QUEUE_STOPPED');
    for (const name of deferredStart) {
      assert.equal(port.isQueueStarted(name), false);
      await port.startQueue(name);
    }
    await exchangeFrames(port, frames(port));
    await port.stop();
    await port.start();
  }
}

/** The MTU and what is done to VLAN tags change while frames pass. */
export async function changeFrames(port: DevicePort): Promise<void> {
  await port.setMtu(1000);
  assert.equal(port.mtu, 1000);
  assert.equal(await rejectionCode(port.send(uniqueFrame(port, 1015))), 'VIO_FRAME_SIZE');
  await exchangeFrames(port, [uniqueFrame(port, 1014)]);
  assert.equal(await rejectionCode(port.setMtu(67)), 'VIO_MTU');
  assert.equal(port.mtu, 1000);
  await port.setMtu(1500);
  await exchangeFrames(port, frames(port));

  const plain = uniqueFrame(port, 60);
  const tagged = Uint8Array.from([...plain.slice(0, 12), 0x81, 0, 0x20, 7, ...plain.slice(12)]);
  await port.setVlanOffload({ strip: true });
  const { frame, tag } = await echoOf(port, tagged);
  assert.deepEqual([frame, tag], [plain, VLAN_PRESENT | 0x2007]);
  await port.setVlanOffload({ strip: false, insert: true });
  assert.deepEqual(port.rules, { mtu: 1500, vlanStrip: false, vlanInsert: true });
  await port.setVlanOffload({ insert: false });
  await exchangeFrames(port, frames(port));
}

/** Sends a frame by a burst, and waits for its echo. */
async function echoOf(
  port: DevicePort,
  bytes: Uint8Array,
): Promise<{ frame: Uint8Array; tag: number | undefined }> {
  await port.send(bytes);
  const burst = port.burst();
  const { u8 } = port.region;
  for (const end = performance.now() + patience; performance.now() < end;) {
    port.rx[0].receive(burst);
    for (let i = 0; i < burst.count; i++) {
      const frame = u8.slice(burst.offset[i], burst.offset[i] + burst.length[i]);
      if (!isOurs(frame) && !isOurs(frame.subarray(4))) continue;
      const tag = burst.vlan?.[i];
      burst.release();
      return { frame, tag };
    }
    burst.release();
    burst.count = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`the frame did not come back in ${patience} ms`);
}

/** A queue pair in another thread follows the port it comes from. */
export async function followsItsPort(port: DevicePort, worker: WorkerPort): Promise<void> {
  await exchangeFrames(worker, frames(worker));
  await port.stop();
  assert.equal(worker.stopped, true);
  assert.equal(await rejectionCode(worker.send(uniqueFrame(worker, 60))), 'VIO_PORT_STOPPED');
  assert.equal(worker.rx[0].receive(worker.burst()), 0);
  const packets = worker.packets({ signal: AbortSignal.timeout(patience) });
  const next = packets.next();
  await aWhile();
  await port.start();
  // What is there when the queue looks for the first time is of before.
  worker.rx[0].fill();
  const frame = uniqueFrame(worker, 60);
  await worker.send(frame);
  assert.deepEqual((await next).value, frame);
  await packets.return();
  await port.setMtu(1000);
  assert.equal(await rejectionCode(worker.send(uniqueFrame(worker, 1015))), 'VIO_FRAME_SIZE');
  await port.setMtu(1500);
  await exchangeFrames(worker, frames(worker));
}
