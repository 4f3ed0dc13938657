import { describe, expect, it } from 'vitest';
import { VIRTIO_NET_F_MRG_RXBUF } from '../feature-bits.ts';
import type { FrameRules } from '../frames/frame-rules.ts';
import { VLAN_PRESENT } from '../frames/vlan.ts';
import { PacketBurst } from '../packet-burst.ts';
import { Wire, frameOf, modern, rings } from '../test-support/wire.ts';
import { PortSwitches } from './port-switches.ts';

const rx = 0;
const tx = 1;

function setUp(features: bigint, rules: FrameRules = {}, deferred: readonly number[] = []) {
  const switches = PortSwitches.create(rules, 1, deferred);
  const wire = Wire.one({ features: features | VIRTIO_NET_F_MRG_RXBUF, switches });
  wire.rx.fill();
  const burst = new PacketBurst(8, { vlan: true });
  const receive = (): Uint8Array[] => {
    wire.rx.receive(burst);
    const frames = Array.from({ length: burst.count }, (_, i) =>
      wire.region.u8.slice(burst.offset[i], burst.offset[i] + burst.length[i]),
    );
    burst.release();
    return frames;
  };
  const send = (bytes: number): number => {
    const out = new PacketBurst(1);
    out.allocate(wire.pool, 1, bytes);
    const taken = wire.tx.send(out);
    out.release(taken);
    return taken;
  };
  return { switches, wire, burst, receive, send };
}

/** Another thread has the same words through an object of its own. */
const elsewhere = ({ memory }: PortSwitches): PortSwitches => new PortSwitches(memory);

describe.each(rings)('queues of a port that is stopped, on a $ring ring', ({ features }) => {
  it('move nothing', () => {
    const { switches, wire, receive, send } = setUp(features);
    elsewhere(switches).turnPort(false);
    wire.deliver(frameOf(60));
    expect([receive(), send(60), wire.take()]).toEqual([[], 0, []]);
  });

  it('drop and count what came meanwhile, and nothing of what comes afterwards', () => {
    const { switches, wire, receive } = setUp(features);
    wire.deliver(frameOf(60, 1));
    expect(receive()).toEqual([frameOf(60, 1)]);
    switches.turnPort(false);
    for (const seed of [2, 3]) wire.deliver(frameOf(60, seed));
    switches.turnPort(true);
    wire.rx.fill();
    wire.deliver(frameOf(60, 4));
    expect(receive()).toEqual([frameOf(60, 4)]);
    const { stats } = wire.rx;
    expect([stats.get('good_packets'), stats.get('dropped_stopped_packets')]).toEqual([2, 2]);
  });

  it('drop a packet over several buffers as one', () => {
    const { switches, wire, receive } = setUp(features);
    switches.turnPort(false);
    wire.deliver(frameOf(700, 2));
    switches.turnPort(true);
    expect(receive()).toEqual([]);
    wire.deliver(frameOf(700, 3));
    expect(wire.rx.receive(new PacketBurst(4))).toBe(1);
    expect(wire.rx.stats.get('dropped_stopped_packets')).toBe(1);
  });

  it('drop it too when both turns were between two bursts', () => {
    const { switches, wire, receive } = setUp(features);
    wire.deliver(frameOf(60, 2));
    switches.turnPort(false);
    switches.turnPort(true);
    expect([receive(), wire.rx.stats.get('dropped_stopped_packets')]).toEqual([[], 1]);
  });

  it('give the device no buffers, and all of them when they start', () => {
    const { switches, wire } = setUp(features, {}, [rx]);
    expect(wire.rx.queue.outstanding).toBe(0);
    switches.turnQueue(rx, true);
    wire.rx.fill();
    expect(wire.rx.queue.outstanding).toBe(wire.rx.queue.size);
  });

  it('send what was on the ring, and give its buffers back', () => {
    const { switches, wire, send } = setUp(features);
    const before = wire.pool.free;
    expect(send(60)).toBe(1);
    switches.turnPort(false);
    expect(wire.take().length).toBe(1);
    wire.tx.reap();
    expect(wire.pool.free).toBe(before);
  });

  it('do not say that packets wait, which nobody could receive', () => {
    const { switches, wire } = setUp(features);
    switches.turnPort(false);
    wire.deliver(frameOf(60));
    expect(wire.rx.sleep()).toBe(false);
  });
});

describe('single queues', () => {
  it.each([
    ['receive', rx, [[], 1]],
    ['transmit', tx, [[frameOf(60)], 0]],
  ] as const)('that are stopped leave the other alone: %s', (_, queue, expected) => {
    const { switches, wire, receive, send } = setUp(modern);
    switches.turnQueue(queue, false);
    wire.deliver(frameOf(60));
    expect([receive(), send(60)]).toEqual(expected);
  });

  it('are stopped as long as the port is', () => {
    const { switches } = setUp(modern);
    switches.turnPort(false);
    switches.turnQueue(rx, true);
    expect([switches.isStopped(rx), switches.isQueueOff(rx)]).toEqual([true, false]);
  });
});

describe('what is done to frames', () => {
  const tagged = Uint8Array.from(frameOf(64));
  tagged.set([0x81, 0, 0x20, 7], 12);

  it('changes from one burst to the next', () => {
    const { switches, wire, burst, send } = setUp(modern);
    elsewhere(switches).rules = { mtu: 100 };
    expect(send(200)).toBe(1);
    expect([wire.take(), wire.tx.stats.get('dropped_oversize_packets')]).toEqual([[], 1]);
    switches.rules = { vlanStrip: true };
    wire.deliver(tagged);
    wire.rx.receive(burst);
    expect([burst.length[0], burst.vlan?.[0]]).toEqual([60, VLAN_PRESENT | 0x2007]);
    burst.release();
    switches.rules = {};
    wire.deliver(tagged);
    wire.rx.receive(burst);
    expect([burst.length[0], burst.vlan?.[0]]).toEqual([64, 0]);
  });

  it('leaves captures alone', () => {
    const { switches, wire, receive } = setUp(modern);
    let seen = 0;
    const end = wire.rx.watch({ see: (_burst, from, to) => (seen += to - from) });
    switches.rules = { mtu: 1000 };
    wire.deliver(frameOf(60));
    receive();
    switches.rules = {};
    wire.deliver(frameOf(60));
    receive();
    end();
    wire.deliver(frameOf(60));
    receive();
    expect(seen).toBe(2);
  });
});
