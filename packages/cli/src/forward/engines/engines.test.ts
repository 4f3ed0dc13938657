import { HDR_F_NEEDS_CSUM, HDR_GSO_TCPV4, PacketBurst } from '@vio/net';
import { describe, expect, it } from 'vitest';
import { arpFrame, ipv4Frame, macA, macB, transport } from '../../test-support/frames.ts';
import { ScriptedLane, type SentPacket } from '../../test-support/scripted-lane.ts';
import { noCounts } from '../counts.ts';
import type { ChecksumWork } from '../lane.ts';
import type { ForwardMode } from '../mode-names.ts';
import { forwardStep } from '../modes.ts';

const own = [0x02, 0, 0, 0, 0, 0x11];
const peer = [0x02, 0, 0, 0, 0, 0x01];
const here = [10, 0, 0, 1];
const there = [10, 0, 0, 2];
const data = Array.from({ length: 101 }, (_, i) => (i * 7) & 0xff);

/** What a mode makes of frames. */
function through(mode: ForwardMode, frames: number[][], checksums?: ChecksumWork): SentPacket[] {
  const lane = new ScriptedLane();
  lane.addresses = { own: Uint8Array.from(own), peer: Uint8Array.from(peer) };
  lane.checksums = checksums;
  lane.incoming = frames.map((frame) => Uint8Array.from(frame));
  const counted = noCounts();
  forwardStep(mode, [60])(lane, new PacketBurst(32, { offloads: true }), counted);
  expect([counted.received, counted.dropped, lane.pool.free]).toEqual([frames.length, 0, 64]);
  return lane.packets;
}

const bytesOf = (packets: SentPacket[]): number[][] => packets.map(({ bytes }) => [...bytes]);
const udp = (from: number[], to: number[], ports: [number, number]): number[] =>
  ipv4Frame({ protocol: 17, from, to, payload: transport('udp', ports, data, [...from, ...to]) });
const tcp = (from: number[], to: number[], ports: [number, number]): number[] =>
  ipv4Frame({ protocol: 6, from, to, payload: transport('tcp', ports, data, [...from, ...to]) });
/** With these addresses in front. */
const addressed = (frame: number[], to: number[], from: number[]): number[] => [
  ...to,
  ...from,
  ...frame.slice(12),
];

describe('mac', () => {
  it('sends to the peer from its own port, and changes nothing else', () => {
    const frame = udp(here, there, [1, 2]);
    expect(bytesOf(through('mac', [frame]))).toEqual([addressed(frame, peer, own)]);
  });

  it('leaves alone what is too short for two addresses', () => {
    expect(bytesOf(through('mac', [[1, 2, 3]]))).toEqual([[1, 2, 3]]);
  });
});

describe('5tswap', () => {
  it.each([
    ['UDP', udp],
    ['TCP', tcp],
  ])('makes of %s what the other side would send, checksums included', (_, make) => {
    const frame = make(here, there, [1000, 53]);
    const answer = addressed(make(there, here, [53, 1000]), macA, macB);
    expect(bytesOf(through('5tswap', [frame]))).toEqual([answer]);
  });

  it('exchanges addresses of IPv6', () => {
    const source = Array.from({ length: 16 }, (_, i) => i + 1);
    const target = Array.from({ length: 16 }, (_, i) => i + 101);
    const ports = [0, 1, 0, 2, 0, 8, 0x12, 0x34];
    const frame = [...macB, ...macA, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64, ...source, ...target, ...ports];
    const answer = [
      ...macA,
      ...macB,
      ...frame.slice(12, 22),
      ...target,
      ...source,
      0,
      2,
      0,
      1,
      0,
      8,
      0x12,
      0x34,
    ];
    expect(bytesOf(through('5tswap', [frame]))).toEqual([answer]);
  });

  it('exchanges the addresses of a fragment, and no ports', () => {
    const payload = [1, 2, 3, 4, 5, 6, 7, 8];
    const fragment = ipv4Frame({ protocol: 17, from: here, to: there, payload, fragment: 0x00b9 });
    const answer = ipv4Frame({ protocol: 17, from: there, to: here, payload, fragment: 0x00b9 });
    expect(bytesOf(through('5tswap', [fragment]))).toEqual([addressed(answer, macA, macB)]);
  });

  it('exchanges only MAC addresses of what is not IP', () => {
    const frame = [...macB, ...macA, 0x88, 0xb5, 1, 2, 3];
    expect(bytesOf(through('5tswap', [frame]))).toEqual([addressed(frame, macA, macB)]);
  });
});

/** An ICMP message with its checksum. */
function icmp(type: number, rest: number[]): number[] {
  let sum = 0;
  const bytes = [type, 0, 0, 0, ...rest];
  for (let i = 0; i < bytes.length; i += 2) sum += bytes[i] * 256 + (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  const value = ~sum & 0xffff;
  return [type, 0, value >>> 8, value & 0xff, ...rest];
}

describe('icmpecho', () => {
  const ping = (to: number[], from = here): number[] =>
    ipv4Frame({ protocol: 1, from, to, payload: icmp(8, [0, 7, 0, 1, ...data]) });

  it('answers a ping', () => {
    const answer = ipv4Frame({ protocol: 1, from: there, to: here, payload: icmp(0, [0, 7, 0, 1, ...data]) });
    expect(bytesOf(through('icmpecho', [ping(there)]))).toEqual([addressed(answer, macA, macB)]);
  });

  it('answers a ping to a group as a neighbour of whoever asked', () => {
    const group = [224, 0, 0, 1];
    const answer = ipv4Frame({
      protocol: 1,
      from: [10, 0, 0, 2],
      to: here,
      payload: icmp(0, [0, 7, 0, 1, ...data]),
    });
    expect(bytesOf(through('icmpecho', [ping(group)]))).toEqual([addressed(answer, macA, macB)]);
  });

  it('answers who has an address: it has all of them', () => {
    const arp = [0, 1, 0x08, 0, 6, 4, 0, 2, ...own, ...there, ...macA, ...here];
    const answer = [...macA, ...own, 0x08, 0x06, ...arp];
    expect(bytesOf(through('icmpecho', [arpFrame(1, here, there)]))).toEqual([answer]);
  });

  it('drops everything else, and gives its buffers back', () => {
    const fragment = ipv4Frame({
      protocol: 1,
      from: here,
      to: there,
      payload: icmp(8, [0, 7, 0, 1]),
      fragment: 0x2000,
    });
    const others = [
      udp(here, there, [1, 2]),
      arpFrame(2, here, there),
      ipv4Frame({ protocol: 1, from: here, to: there, payload: icmp(0, [0, 7, 0, 1]) }),
      fragment,
      ping(there).slice(0, 40),
      [1],
    ];
    expect(bytesOf(through('icmpecho', [...others, ping(there), ...others]))).toHaveLength(1);
  });
});

describe('csum', () => {
  /** With both checksums wrong. */
  const spoiled = (frame: number[], at: number): number[] =>
    frame.map((byte, i) => (i === 24 || i === at ? byte ^ 0x5a : byte));
  const hardware: ChecksumWork = { udp: 'hw', tcp: 'hw', segmentBytes: 0 };

  it.each([
    ['UDP', udp(here, there, [5, 6]), 40],
    ['TCP', tcp(here, there, [5, 6]), 50],
  ])('makes the checksums of IPv4 and %s', (_, frame, at) => {
    for (const mode of ['csum', 'checksum'] as const)
      expect(bytesOf(through(mode, [spoiled(frame, at)]))).toEqual([addressed(frame, peer, own)]);
  });

  it('does not sum what follows the packet in its frame', () => {
    const frame = [...udp(here, there, [5, 6]), 9, 9, 9];
    expect(bytesOf(through('csum', [spoiled(frame, 40)]))).toEqual([addressed(frame, peer, own)]);
  });

  it('leaves UDP without a checksum without one', () => {
    const frame = udp(here, there, [5, 6]).map((byte, i) => (i === 40 || i === 41 ? 0 : byte));
    expect(bytesOf(through('csum', [frame]))).toEqual([addressed(frame, peer, own)]);
  });

  it('believes no length that the frame does not have', () => {
    const frame = udp(here, there, [5, 6]).slice(0, 60);
    expect(bytesOf(through('csum', [frame]))).toEqual([addressed(frame, peer, own)]);
  });

  it('leaves to the device what it is told to', () => {
    const [packet] = through('csum', [tcp(here, there, [5, 6])], hardware);
    expect([packet.flags, packet.gsoType]).toEqual([HDR_F_NEEDS_CSUM, 0]);
  });

  it('has the device cut TCP that is longer than the segment size, and nothing else', () => {
    const frames = [tcp(here, there, [5, 6]), udp(here, there, [5, 6])];
    const packets = through('csum', frames, { ...hardware, segmentBytes: 100 });
    expect(packets.map(({ gsoType, segmentSize }) => [gsoType, segmentSize])).toEqual([
      [HDR_GSO_TCPV4, 100],
      [0, 0],
    ]);
    const [fits] = through('csum', frames, { ...hardware, segmentBytes: 101 });
    expect(fits.gsoType).toBe(0);
  });
});
