// Sleeping and waking with a backend in another process, where packets come at any moment.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openVirtioUser } from '@vio/virtio-user';
import { afterAll, describe, expect, it } from 'vitest';
import { PortEndpoint } from '../support/endpoint.ts';
import { makeFrame, readFrame } from '../support/payload.ts';

const rounds = 1000;
const backendScript = new URL('../dist/loopback/echo-backend.js', import.meta.url);
const directory = mkdtempSync(join(tmpdir(), 'vio-interrupt-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe.each([0, 1])('a port with packed_vq=%i that sleeps after every frame', (packed) => {
  it(`sleeps over none of ${rounds}`, async () => {
    const path = join(directory, `${packed}.sock`);
    const backend = fork(backendScript, [path, '1']);
    await once(backend, 'message');
    await using port = await openVirtioUser(`path=${path},packed_vq=${packed}`);
    const endpoint = new PortEndpoint(port);
    for (let sequence = 0; sequence < rounds; sequence++) {
      if (endpoint.send(0, [makeFrame({ sequence, queue: 0, length: 64 })]) !== 1)
        throw new Error('the ring is full');
      let frames = endpoint.receive(0);
      // More polls or fewer before it sleeps: the answer comes at every moment of falling asleep.
      for (let polls = sequence % 50; polls > 0 && frames.length === 0; polls--) frames = endpoint.receive(0);
      while (frames.length === 0) {
        await port.untilPackets();
        frames = endpoint.receive(0);
      }
      expect(frames.map((frame) => readFrame(frame).sequence)).toEqual([sequence]);
    }
    expect(port.stats()['rx_q0_calls']).toBeGreaterThan(0);
    const exit = once(backend, 'exit');
    backend.disconnect();
    await exit;
  });
});

const sleepingScript = new URL('../dist/loopback/sleeping-backend.js', import.meta.url);
const formats = [0, 1].flatMap((packed) => [false, true].map((eventIdx) => ({ packed, eventIdx })));

describe.each(formats)(
  'a backend that sleeps after every frame, packed_vq=$packed, EVENT_IDX $eventIdx',
  ({ packed, eventIdx }) => {
    it(`sleeps over none of ${rounds}`, async () => {
      const path = join(directory, `sleeping-${packed}-${eventIdx}.sock`);
      const backend = fork(sleepingScript, [path]);
      await once(backend, 'message');
      await using port = await openVirtioUser(`path=${path},packed_vq=${packed}`, { eventIdx });
      const endpoint = new PortEndpoint(port);
      for (let sequence = 0; sequence < rounds; sequence++) {
        if (endpoint.send(0, [makeFrame({ sequence, queue: 0, length: 64 })]) !== 1)
          throw new Error('the ring is full');
        let frames = endpoint.receive(0);
        while (frames.length === 0) {
          await port.untilPackets();
          frames = endpoint.receive(0);
        }
        expect(frames.map((frame) => readFrame(frame).sequence)).toEqual([sequence]);
      }
      expect(port.stats()['tx_q0_kicks']).toBeGreaterThan(0);
      const exit = once(backend, 'exit');
      backend.disconnect();
      await exit;
    });
  },
);
