import { describe, expect, it } from 'vitest';
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED } from '@vio/rings';
import { turns, until } from '@vio/test-support';
import { frameOf, modern } from '../test-support/wire.ts';
import { type WiredPort, wiredPort } from '../test-support/wired-port.ts';

const formats = [
  ['split', modern],
  ['split with event indexes', modern | VIRTIO_F_EVENT_IDX],
  ['packed', modern | VIRTIO_F_RING_PACKED],
  ['packed with event indexes', modern | VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX],
] as const;

/** Takes all packets. @returns how many there were */
function drain(port: WiredPort): number {
  const burst = port.burst();
  let packets = 0;
  while (port.rx[0].receive(burst) > 0) {
    packets += burst.count;
    burst.release();
  }
  return packets;
}

describe.each(formats)('the interrupt of a receive queue on %s rings', (_, features) => {
  it('is off at first', async () => {
    using port = wiredPort({ features });
    let signals = 0;
    const stop = port.rxInterrupt(0).onSignal(() => signals++);
    port.deliver(frameOf(60));
    await turns(5);
    stop();
    expect([signals, port.rxInterrupt(0).enabled]).toEqual([0, false]);
  });

  it('comes with the next packet once it is enabled, and is counted', async () => {
    using port = wiredPort({ features });
    const interrupt = port.rxInterrupt(0);
    let stop = (): void => {};
    const signalled = new Promise<void>((resolve) => (stop = interrupt.onSignal(resolve)));
    expect(interrupt.enable()).toBe(false);
    port.deliver(frameOf(60));
    await signalled;
    stop();
    expect([drain(port), port.stats()['rx_q0_calls']]).toEqual([1, 1]);
  });

  it('comes also where every buffer of the pool was in hand at the last look', async () => {
    using port = wiredPort({ features, size: 8, buffers: 8 });
    for (let i = 0; i < 8; i++) port.deliver(frameOf(60, i));
    const burst = port.burst();
    port.rx[0].receive(burst);
    burst.release();
    const interrupt = port.rxInterrupt(0);
    let stop = (): void => {};
    const signalled = new Promise<void>((resolve) => (stop = interrupt.onSignal(resolve)));
    expect(interrupt.enable()).toBe(false);
    port.deliver(frameOf(60));
    await signalled;
    stop();
    expect(drain(port)).toBe(1);
  });

  it('says that packets are waiting instead of coming for those', () => {
    using port = wiredPort({ features });
    port.deliver(frameOf(60));
    const waiting = [port.rxInterrupt(0).enable(), drain(port), port.rxInterrupt(0).enable()];
    expect(waiting).toEqual([true, 1, false]);
  });

  it('comes no more once it is disabled', async () => {
    using port = wiredPort({ features });
    const interrupt = port.rxInterrupt(0);
    let signals = 0;
    const stop = interrupt.onSignal(() => signals++);
    interrupt.enable();
    interrupt.disable();
    port.deliver(frameOf(60));
    await turns(5);
    stop();
    expect([signals, drain(port)]).toEqual([0, 1]);
  });

  it('makes its descriptor readable for waits of another kind', async () => {
    using port = wiredPort({ features });
    const interrupt = port.rxInterrupt(0);
    interrupt.enable();
    port.deliver(frameOf(60));
    expect([interrupt.fd, port.wires[0].rxCall.drain()]).toEqual([port.wires[0].rxCall.fd, true]);
  });

  it('loses no packet to whoever enables it between polls, as its example does', async () => {
    using port = wiredPort({ features, buffers: 16 });
    const interrupt = port.rxInterrupt(0);
    let received = 0;
    const serve = (): void => {
      do received += drain(port);
      while (interrupt.enable());
    };
    const stop = interrupt.onSignal(serve);
    serve();
    for (let sent = 0; sent < 200; sent++) {
      port.deliver(frameOf(60));
      if (sent % 7 === 0) interrupt.disable();
      if (sent % 7 === 0) serve();
      await turns(2);
    }
    await until(() => received === 200);
    stop();
    expect(received).toBe(200);
  });
});

describe('the interrupt of a receive queue', () => {
  it('is one for each pair', () => {
    using port = wiredPort({}, 2);
    expect([
      port.rxInterrupt(0) === port.rxInterrupt(0),
      port.rxInterrupt(0) === port.rxInterrupt(1),
    ]).toEqual([true, false]);
  });

  it('tells of a link that changes, the end of the port included', () => {
    const port = wiredPort();
    let signals = 0;
    port.rxInterrupt(0).onSignal(() => signals++);
    port.setLink({ up: false });
    port.setLink({ up: true });
    port.close();
    port.wires[0].rxCall.close();
    expect(signals).toBe(3);
  });

  it('and a wait for packets do not disturb each other', async () => {
    using port = wiredPort();
    const interrupt = port.rxInterrupt(0);
    let signals = 0;
    const stop = interrupt.onSignal(() => signals++);
    const waiting = port.untilPackets();
    port.deliver(frameOf(60));
    await waiting;
    interrupt.enable();
    port.wires[0].rxCall.signal();
    await until(() => signals === 2);
    stop();
    expect(signals).toBe(2);
  });

  it('is not there for a pair the port does not have', () => {
    using port = wiredPort();
    expect(() => port.rxInterrupt(1)).toThrow(RangeError);
  });
});
