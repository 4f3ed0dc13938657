// Whatever ends, in whatever state packets are: each comes back to the application once, with its buffers, and nothing is left behind.
import { PacketBurst } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import { type BufferPool, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { codeOfCall, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { Pair } from '../../test-support/pair.ts';
import { packet, packetPool, packetsOf, sendFrom, supply } from '../../test-support/packets.ts';
import { handled } from '../../test-support/test-backend.ts';
import { StubEngine } from '../../testing/stub-engine.ts';
import { frontendRequests as requests } from '../../wire/index.ts';
import { CopyThread } from './copy-thread.ts';
import type { DmaEngine } from './dma-engine.ts';
import { dmaConfigure, dmaUnconfigure } from './dma-configure.ts';

const lengths = [60, 200, 1500, 3000];
const poolCount = 64;

/** Where packets are when it ends: of each ring, how many were reported before. */
const states = {
  'nothing was submitted': { packets: 0, reported: 0 },
  'all are in flight': { packets: 4, reported: 0 },
  'some were reported': { packets: 4, reported: 2 },
  'all were reported': { packets: 4, reported: 4 },
} as const;

/** @param burst takes what arrives meanwhile from ring 1, in buffers of `pool` */
type Ending = (pair: Pair, pool: BufferPool, burst: PacketBurst) => Promise<void> | void;

const endings: Readonly<Record<string, Ending>> = {
  'a ring is stopped (GET_VRING_BASE)': async ({ frontend }) => {
    for (const index of [0, 1]) await frontend.ask(requests.GET_VRING_BASE, { index, value: 0 });
  },
  'a ring is disabled, and stopped': async ({ frontend }) => {
    for (const index of [0, 1]) {
      await frontend.send(requests.SET_VRING_ENABLE, { index, value: 0 });
      await frontend.ask(requests.GET_VRING_BASE, { index, value: 0 });
    }
  },
  'the driver resets the device (SET_STATUS 0)': async ({ frontend }) => {
    await frontend.send(requests.SET_STATUS, 0);
    await handled(frontend);
  },
  'the frontend resets the owner (RESET_OWNER)': async ({ frontend }) => {
    await frontend.send(requests.RESET_OWNER, undefined);
    await handled(frontend);
  },
  'memory is announced anew': async ({ frontend, guest }) => {
    const fds = guest.regions.map(() => guest.fd);
    await frontend.send(requests.SET_MEM_TABLE, guest.regions, { fds });
    await handled(frontend);
  },
  'the frontend leaves': async ({ frontend, backend }) => {
    frontend.close();
    await until(() => backend.ended.length === 1);
  },
  'the frontend sends nonsense': async ({ frontend, backend }) => {
    await frontend.sendRaw(new Uint8Array(64).fill(0xff));
    await until(() => backend.ended.length === 1);
  },
  'the backend closes': async ({ backend }) => {
    await backend.driver.close();
  },
  'the driver writes nonsense into its rings': ({ device, guest, backend }, pool, burst) => {
    for (const ring of guest.rings)
      ring.expose([{ address: 0xdead_0000_0000, length: 2048, writable: true }]);
    device.submitEnqueueBurst(0, packetsOf(packetPool(4), packet(60)));
    device.tryDequeueBurst(1, pool, burst);
    expect(backend.broken.map(({ queue }) => queue)).toEqual([0, 1]);
  },
};

const formats = { split: VIRTIO_F_VERSION_1, packed: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED } as const;
const engines: Readonly<Record<string, () => DmaEngine>> = {
  'an engine that completes what it is asked to': () => new StubEngine({ looks: Infinity }),
  'a copy thread': () => CopyThread.create(),
};

describe.each(Object.entries(engines))('with %s', (_, make) => {
  describe.each(['split', 'packed'] as const)('%s', (format) => {
    describe.each(Object.entries(endings))('%s', (_ending, end) => {
      it.each(Object.entries(states))('when %s', async (_state, { packets, reported }) => {
        const engine = make();
        dmaConfigure(engine);
        const flags = { asyncCopy: true, lock: false };
        const pair = await Pair.start({
          flags,
          guest: { size: 32, features: formats[format], ring: { format } },
        });
        const { device, guest } = pair;
        const [rx, tx] = guest.rings;
        const [sendPool, takePool] = [packetPool(poolCount), packetPool(poolCount)];
        const contents = lengths.slice(0, packets).map((bytes, i) => packet(bytes, i));
        const places = contents.map(() => supply(rx, 4096));
        for (const queue of [0, 1]) device.asyncChannelRegister(queue, { engine, inOrder: true });
        expect(device.submitEnqueueBurst(0, packetsOf(sendPool, ...contents))).toBe(packets);
        for (const content of contents) sendFrom(tx, content);
        const sent: Uint8Array[] = [];
        const taken: Uint8Array[] = [];
        const burst = new PacketBurst(64);
        const note = (into: Uint8Array[]): number => {
          const { count } = burst;
          into.push(...readFrames(burst));
          burst.release();
          burst.count = 0;
          return count;
        };
        // All of them are fetched; of a real engine some may have come.
        device.tryDequeueBurst(1, takePool, burst);
        note(taken);
        if (engine instanceof StubEngine && reported > 0) engine.options.looks = 1;
        await until(() => {
          if (sent.length < reported) {
            device.pollEnqueueCompleted(0, burst, reported - sent.length);
            note(sent);
          }
          if (taken.length < reported) {
            device.tryDequeueBurst(1, takePool, burst, reported - taken.length);
            note(taken);
          }
          return sent.length >= reported && taken.length >= reported;
        });
        if (engine instanceof StubEngine) engine.options.looks = Infinity;

        await end(pair, takePool, burst);
        note(taken);

        const flying = [0, 1].filter((queue) => device.asyncGetInflight(queue) > 0);
        const refused = flying.map((queue) => codeOfCall(() => device.asyncChannelUnregister(queue)));
        expect(refused).toEqual(flying.map(() => 'VIO_VHOST_ASYNC_INFLIGHT'));
        while (device.clearQueue(0, burst) > 0) note(sent);
        while (device.clearQueue(1, burst) > 0) note(taken);
        expect(sent.map((bytes) => [...bytes])).toEqual(contents.map((bytes) => [...bytes]));
        expect(taken.map((bytes) => [...bytes])).toEqual(contents.map((bytes) => [...bytes]));
        for (const [i, at] of places.entries())
          expect(Buffer.compare(rx.memory.read(at + 12, contents[i].length), contents[i])).toBe(0);
        expect([sendPool.free, takePool.free]).toEqual([poolCount, poolCount]);
        for (const queue of [0, 1]) {
          expect([device.asyncGetInflight(queue), device.pollEnqueueCompleted(queue, burst)]).toEqual([0, 0]);
          device.asyncChannelUnregister(queue);
          expect(codeOfCall(() => device.asyncChannelUnregister(queue))).toBe('VIO_VHOST_ASYNC_CHANNEL');
        }
        await pair[Symbol.asyncDispose]();
        dmaUnconfigure(engine);
        const left = engine instanceof StubEngine ? [engine.waiting, engine.memories.size] : [0, 0];
        expect(left).toEqual([0, 0]);
      });
    });
  });
});
