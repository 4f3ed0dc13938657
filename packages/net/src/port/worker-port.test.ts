import { EventFd, SharedMemory } from '@vio/native';
import { codeOfCall, openFds } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { VIRTIO_NET_F_MRG_RXBUF } from '../feature-bits.ts';
import { PacketBurst } from '../packet-burst.ts';
import { electPaths } from '../paths.ts';
import { Wire, frameOf, modern } from '../test-support/wire.ts';
import type { BrokenQueue } from './port-events.ts';
import { type QueuePairHandle, WorkerPort } from './worker-port.ts';

/** The rings of a port in shared memory, and the handle of its queue pair 3. */
class Owner implements Disposable {
  readonly #memory: SharedMemory;
  readonly #events = [EventFd.create(), EventFd.create(), EventFd.create()];
  readonly wire: Wire;
  readonly handle: QueuePairHandle;

  constructor() {
    let shared: SharedMemory | undefined;
    const features = modern | VIRTIO_NET_F_MRG_RXBUF;
    this.wire = Wire.one({
      features,
      memory: (size) => {
        shared = SharedMemory.create({ size });
        return shared.buffer;
      },
    });
    if (shared === undefined) throw new Error('the wire made no memory');
    this.#memory = shared;
    const { pool, rx, tx } = this.wire;
    const [rxKick, txKick, rxCall] = this.#events;
    this.handle = {
      pair: 3,
      features,
      mac: '02:00:00:00:00:01',
      paths: electPaths({ features, vectorized: false }),
      memory: { fd: this.#memory.fd, bytes: this.#memory.size },
      rings: {
        size: rx.queue.size,
        rxOffset: rx.queue.addresses.descriptors,
        txOffset: tx.queue.addresses.descriptors,
      },
      pool: {
        offset: pool.dataBase - pool.headroom,
        count: pool.count,
        headroom: pool.headroom,
        dataRoom: pool.dataRoom,
      },
      events: { rxKick: rxKick.fd, txKick: txKick.fd, rxCall: rxCall.fd },
    };
  }

  /** Whether the kicks of both rings were signalled since the last look. */
  kicked(): boolean[] {
    return this.#events.slice(0, 2).map((event) => event.drain());
  }

  [Symbol.dispose](): void {
    this.#memory.close();
    for (const event of this.#events) event.close();
  }
}

describe('a queue pair taken over by its handle', () => {
  it('is plain data, so that it can be sent to another thread', () => {
    using owner = new Owner();
    expect(structuredClone(owner.handle)).toEqual(owner.handle);
  });

  it('receives what the device delivers', async () => {
    using owner = new Owner();
    using port = WorkerPort.open(owner.handle);
    owner.wire.deliver(frameOf(1000));
    const frames = port.packets();
    expect((await frames.next()).value).toEqual(frameOf(1000));
    await frames.return();
  });

  it('sends to the device', async () => {
    using owner = new Owner();
    using port = WorkerPort.open(owner.handle);
    await port.send(frameOf(60));
    expect(owner.wire.take().map(({ frame }) => frame)).toEqual([frameOf(60)]);
  });

  it('kicks the device once, which may have slept since its predecessor ended', () => {
    using owner = new Owner();
    WorkerPort.open(owner.handle).close();
    expect(owner.kicked()).toEqual([true, true]);
  });

  it('counts under its number in the port it comes from', () => {
    using owner = new Owner();
    using port = WorkerPort.open(owner.handle);
    expect([...new Set(Object.keys(port.stats()).map((name) => name.slice(0, 6)))]).toEqual([
      'rx_q3_',
      'tx_q3_',
    ]);
  });

  it('tells under that number that a queue is broken', () => {
    using owner = new Owner();
    using port = WorkerPort.open(owner.handle);
    const seen: BrokenQueue[] = [];
    port.on('broken', (broken) => seen.push(broken));
    owner.wire.corrupt(port.rx[0].queue);
    port.rx[0].receive(new PacketBurst(4));
    expect(seen.map(({ direction, queue }) => [direction, queue])).toEqual([['rx', 3]]);
  });

  it('leaves no file descriptor behind when it is closed', () => {
    using owner = new Owner();
    const before = openFds();
    WorkerPort.open(owner.handle).close();
    expect(openFds()).toBe(before);
  });

  it('leaves the memory of the port it comes from alone when it is closed', () => {
    using owner = new Owner();
    WorkerPort.open(owner.handle).close();
    owner.wire.deliver(frameOf(60));
    expect(owner.wire.receiveq.broken).toBe(undefined);
  });

  it('fails, and leaves nothing behind, when that port is closed already', () => {
    const owner = new Owner();
    owner[Symbol.dispose]();
    const before = openFds();
    const code = codeOfCall(() => WorkerPort.open(owner.handle));
    expect([code, openFds()]).toEqual(['VIO_SYS_EBADF', before]);
  });
});
