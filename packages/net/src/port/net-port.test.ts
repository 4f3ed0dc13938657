import { describe, expect, it } from 'vitest';
import { PacketBurst } from '../packet-burst.ts';
import { queueCounterNames, rxEventNames, txCounterNames, txEventNames } from '../stats.ts';
import { Wire, frameOf } from '../test-support/wire.ts';
import { writeFrames } from '../testing/frames.ts';
import type { BrokenQueue, LinkState } from './port-events.ts';
import { WiredPort, gone, wiredPort } from '../test-support/wired-port.ts';

describe('the link of a port', () => {
  it('is up at first', () => {
    using port = wiredPort();
    expect(port.link).toEqual({ up: true });
  });

  it('tells when it goes down, and why', () => {
    using port = wiredPort();
    const seen: LinkState[] = [];
    port.on('link', (link) => seen.push(link));
    port.setLink({ up: false, reason: gone });
    expect([seen, port.link]).toEqual([[{ up: false, reason: gone }], { up: false, reason: gone }]);
  });

  it('tells nothing that is not new', () => {
    using port = wiredPort();
    const seen: LinkState[] = [];
    port.on('link', (link) => seen.push(link));
    port.setLink({ up: true });
    expect(seen).toEqual([]);
  });

  it('is lost after it went down', () => {
    using port = wiredPort();
    const seen: [LinkState, boolean][] = [];
    port.on('link', (link) => seen.push([link, port.gone]));
    port.setLink({ up: false });
    port.setLink({ up: false });
    port.setLink({ up: false, reason: gone });
    port.setLink({ up: false });
    expect(seen).toEqual([
      [{ up: false }, false],
      [{ up: false, reason: gone }, true],
    ]);
  });

  it('goes down without a reason when this side closes the port', () => {
    using port = wiredPort();
    port.close();
    expect([port.link, port.closed]).toEqual([{ up: false }, true]);
  });

  it('is down for other reasons without the port being closed', () => {
    using port = wiredPort();
    port.setLink({ up: false, reason: gone });
    expect(port.closed).toBe(false);
  });
});

describe('a broken queue of a port', () => {
  it('is told with its direction, number and fault', () => {
    using port = wiredPort({}, 2);
    const seen: BrokenQueue[] = [];
    port.on('broken', (broken) => seen.push(broken));
    port.wires[1].corrupt(port.rx[1].queue);
    port.rx[1].receive(new PacketBurst(4));
    expect(seen).toEqual([{ direction: 'rx', queue: 1, fault: port.rx[1].broken }]);
  });

  it('leaves the other pairs alive', () => {
    using port = wiredPort({}, 2);
    port.wires[1].corrupt(port.rx[1].queue);
    port.rx[1].receive(new PacketBurst(4));
    port.deliver(frameOf(60));
    expect(port.rx[0].receive(new PacketBurst(4))).toBe(1);
  });
});

describe('the statistics of a port', () => {
  it("have DPDK's names and then ours, receive queues first", () => {
    using port = wiredPort({}, 2);
    const rx = [...queueCounterNames, ...rxEventNames];
    const tx = [...txCounterNames, ...txEventNames];
    expect(Object.keys(port.stats())).toEqual([
      ...[0, 1].flatMap((pair) => rx.map((name) => `rx_q${pair}_${name}`)),
      ...[0, 1].flatMap((pair) => tx.map((name) => `tx_q${pair}_${name}`)),
    ]);
  });

  it('count each queue by itself', () => {
    using port = wiredPort({}, 2);
    const burst = new PacketBurst(4);
    writeFrames(port.wires[1].pool, burst, [frameOf(64, 2), frameOf(100, 2)]);
    port.tx[1].send(burst);
    port.deliver(frameOf(1000, 2));
    port.rx[0].receive(burst);
    const counted = Object.entries(port.stats()).filter(([, value]) => value !== 0);
    expect(Object.fromEntries(counted)).toEqual({
      rx_q0_good_packets: 1,
      rx_q0_good_bytes: 1000,
      rx_q0_size_512_1023_packets: 1,
      rx_q0_kicks: 1,
      rx_q1_kicks: 1,
      tx_q1_kicks: 1,
      tx_q1_good_packets: 2,
      tx_q1_good_bytes: 164,
      tx_q1_size_64_packets: 1,
      tx_q1_size_65_127_packets: 1,
    });
  });
});

describe('the rings of a port', () => {
  it('can be dumped, pair by pair', () => {
    using port = wiredPort({}, 2);
    expect(port.dumpRings().map(({ name, inFlight }) => [name, inFlight])).toEqual([
      ['receiveq0', 8],
      ['transmitq0', 0],
      ['receiveq1', 8],
      ['transmitq1', 0],
    ]);
  });

  it('can be dumped when one is broken', () => {
    using port = wiredPort();
    port.wires[0].corrupt(port.rx[0].queue);
    port.rx[0].receive(new PacketBurst(4));
    expect(port.dumpRings()[0]).toMatchObject({ broken: port.rx[0].broken, inFlight: 8 });
  });
});

describe('a pair the port does not have', () => {
  it.each(['packets', 'readable'] as const)('is refused by %s', (method) => {
    using port = wiredPort();
    expect(() => port[method]({ queue: 1 })).toThrow(RangeError);
  });

  it('is refused by send', async () => {
    using port = wiredPort();
    await expect(port.send(frameOf(60), { queue: 1 })).rejects.toThrow(RangeError);
  });

  it('is refused by send when the queues are detached', async () => {
    const wire = Wire.one();
    using port = new WiredPort([wire]);
    Object.assign(port, { tx: [] });
    await expect(port.send(frameOf(60))).rejects.toThrow(RangeError);
  });
});

describe('an option that there is not', () => {
  /** As JavaScript lets one write. */
  const misspelt: object = { que: 1 };

  it.each<[string, (port: WiredPort) => unknown]>([
    ['send', (port) => port.send(new Uint8Array(60), misspelt)],
    ['packets', (port) => port.packets(misspelt)],
    ['untilPackets', (port) => port.untilPackets(misspelt)],
    ['readable', (port) => port.readable(misspelt)],
    ['writable', (port) => port.writable(misspelt)],
    ['capture', (port) => port.capture(misspelt)],
    ['a dump of rings', (port) => port.dumpRings(misspelt)],
    ['PacketBurst', () => new PacketBurst(1, misspelt)],
  ])('is refused by name: %s', async (where, call) => {
    using port = wiredPort();
    // Some throw, and some reject.
    await expect((async () => call(port))()).rejects.toMatchObject({
      code: 'VIO_OPTION_UNKNOWN',
      message: `${where} has no option "que"`,
    });
    expect(port.tx[0].stats.get('good_packets')).toBe(0);
  });
});
