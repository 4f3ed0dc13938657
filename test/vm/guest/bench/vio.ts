// vio as a contender: a port on vhost-net and a tap.
import { setCpuAffinity } from '@vio/native';
import { openVirtioUser } from '@vio/virtio-user';
import { type Step, takeOrders } from './orders.ts';
import { burstSize, bursts, headers } from './template.ts';

export async function vioMain(): Promise<void> {
  // The kernel's worker stays where the port was opened, as that of testpmd does.
  setCpuAffinity([0]);
  const port = await openVirtioUser('net_virtio_user0,path=/dev/vhost-net,iface=vio0,queue_size=256');
  setCpuAffinity([1]);
  const { pool, region } = port;
  const burst = port.burst(burstSize);
  const [rx] = port.rx;
  const [tx] = port.tx;
  const { u8 } = region;

  // The headers once, in a buffer of their own.
  const template = new Int32Array(1);
  pool.alloc(template, 0, 1);
  const at = pool.dataBase + template[0] * pool.stride;
  u8.set(headers, at);

  function send(length: number): number {
    let sent = 0;
    for (let i = 0; i < bursts; i++) {
      tx.reap();
      const count = burst.allocate(pool, burstSize, length);
      for (let k = 0; k < count; k++) u8.copyWithin(burst.offset[k], at, at + headers.length);
      const taken = tx.send(burst);
      burst.release(taken);
      sent += taken;
    }
    return sent;
  }

  let touched = 0;
  function receive(): number {
    let received = 0;
    for (let i = 0; i < bursts; i++) {
      const count = rx.receive(burst);
      for (let k = 0; k < count; k++) touched ^= u8[burst.offset[k]];
      burst.release();
      received += count;
    }
    return received;
  }

  const stepOf = (direction: 'tx' | 'rx', length: number): Step =>
    direction === 'tx' ? () => send(length) : receive;
  await takeOrders(stepOf);
  await port.close();
  process.exitCode = touched >= 0 ? 0 : 1;
}
