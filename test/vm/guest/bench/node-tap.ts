// What a Node program does without vio: one system call for each frame, on the descriptor of a tap.
import { readSync, writeSync } from 'node:fs';
import { setCpuAffinity } from '@vio/native';
import { Tap } from '@vio/vhost-kernel';
import { type Step, takeOrders } from './orders.ts';
import { burstSize, bursts, headers } from './template.ts';

export async function nodeTapMain(): Promise<void> {
  setCpuAffinity([1]);
  using tap = Tap.open({ name: 'raw0' });
  const [fd] = tap.fds;
  const buffer = Buffer.alloc(2048);

  function send(frame: Buffer): number {
    for (let i = 0; i < burstSize * bursts; i++) {
      headers.copy(frame);
      writeSync(fd, frame);
    }
    return burstSize * bursts;
  }

  function receive(): number {
    let received = 0;
    try {
      for (; received < burstSize * bursts; received++) readSync(fd, buffer);
    } catch {
      // Nothing more is there.
    }
    return received;
  }

  await takeOrders((direction, length): Step => {
    const frame = Buffer.alloc(length);
    return direction === 'tx' ? () => send(frame) : receive;
  });
}
