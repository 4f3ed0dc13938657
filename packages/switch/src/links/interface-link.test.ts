// A packet socket of the test's own: what comes and what the kernel says is written into its words.
import { constants } from 'node:os';
import { packetFrame, packetFrameWords } from '@vio/native/internal';
import { HDR_F_NEEDS_CSUM, HDR_GSO_TCPV4, HDR_GSO_UDP_L4, PacketBurst } from '@vio/net';
import { readFrames, writeFrames } from '@vio/net/testing';
import { privatePool } from '@vio/rings/testing';
import { content, isComplete, tcpSegment } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { InterfaceLink } from './interface-link.ts';

const { EAGAIN, EINVAL, EMSGSIZE, ENETDOWN, ENOBUFS } = constants.errno;

interface Coming {
  readonly frame: Uint8Array;
  /** struct virtio_net_hdr. */
  readonly header?: readonly number[];
  readonly tag?: number;
  readonly tagType?: number;
  readonly truncated?: boolean;
}

class Kernel {
  memory = new Uint8Array();
  incoming = new Int32Array();
  outgoing = new Int32Array();
  readonly coming: Coming[] = [];
  /** Headers and frames. */
  readonly sent: Uint8Array[] = [];
  /** What the next calls of `send` say in place of taking all. */
  readonly answers: number[] = [];
  error = EAGAIN;
  woken = 0;
  lost = 0;
  readonly link: InterfaceLink;
  readonly burst = new PacketBurst(32, { offloads: true });

  constructor() {
    this.link = new InterfaceLink(
      (memory, capacity) => {
        this.memory = memory;
        this.incoming = new Int32Array(capacity * packetFrameWords);
        this.outgoing = new Int32Array(capacity * packetFrameWords);
        const { incoming, outgoing } = this;
        return {
          fd: -1,
          incoming,
          outgoing,
          receive: (count) => this.#give(count),
          send: (from, count) => this.#take(from, count),
        };
      },
      { interface: 'eth1' },
      { wake: () => this.woken++, lost: () => this.lost++ },
    );
  }

  receive(): Uint8Array[] {
    this.link.receive(0, privatePool(1), this.burst);
    const frames = readFrames(this.burst);
    this.burst.release();
    return frames;
  }

  #give(count: number): number {
    const { incoming } = this;
    if (this.coming.length === 0) return -this.error;
    const given = this.coming.splice(0, count);
    for (const [
      i,
      { frame, header = [], tag = -1, tagType = 0x8100, truncated = false },
    ] of given.entries()) {
      const word = i * packetFrameWords;
      const at = incoming[word + packetFrame.at];
      if (incoming[word + packetFrame.bytes] < 10 + frame.length) throw new Error('there is no room');
      this.memory.fill(0, at, at + 10).set(header, at);
      this.memory.set(frame, at + 10);
      incoming[word + packetFrame.bytes] = 10 + frame.length;
      incoming[word + packetFrame.truncated] = truncated ? 1 : 0;
      incoming[word + packetFrame.tag] = tag;
      incoming[word + packetFrame.tagType] = tagType;
    }
    return given.length;
  }

  #take(from: number, count: number): number {
    const answer = this.answers.shift() ?? count;
    for (let i = from; i < from + answer; i++) {
      const at = this.outgoing[i * packetFrameWords + packetFrame.at];
      this.sent.push(this.memory.slice(at, at + this.outgoing[i * packetFrameWords + packetFrame.bytes]));
    }
    return answer;
  }
}

/** A TCP packet whose checksum, and whose segmentation into pieces of 1000 bytes, is left to others. */
const large = tcpSegment(3000);
const largeHeader = [HDR_F_NEEDS_CSUM, HDR_GSO_TCPV4, 54, 0, 1000 & 0xff, 1000 >> 8, 34, 0, 16, 0];

/** A burst of others. @param gsoType of each; 0: nothing is left to anybody */
function burstOf(frames: readonly Uint8Array[], gsoType = 0): PacketBurst {
  const burst = new PacketBurst(64, { offloads: true });
  writeFrames(privatePool(256), burst, frames);
  const { offloads } = burst;
  offloads?.gsoType.fill(gsoType, 0, frames.length);
  if (gsoType === 0) return burst;
  offloads?.flags.fill(HDR_F_NEEDS_CSUM, 0, frames.length);
  offloads?.segmentSize.fill(1000, 0, frames.length);
  offloads?.checksumStart.fill(34, 0, frames.length);
  offloads?.checksumOffset.fill(16, 0, frames.length);
  return burst;
}

describe('frames that come in by an interface', () => {
  it.each([60, 1514, 65_549])('of %d bytes are taken as they are, burst after burst', (bytes) => {
    const kernel = new Kernel();
    for (let i = 0; i < 100; i++) kernel.coming.push({ frame: content(bytes) });
    const wanted = content(bytes);
    const bursts = Array.from({ length: 5 }, () => kernel.receive());
    expect(bursts.map(({ length }) => length)).toEqual([32, 32, 32, 4, 0]);
    expect(bursts.flat().every((frame) => Buffer.compare(frame, wanted) === 0)).toBe(true);
    expect(kernel.link.stats()).toMatchObject({ rx_q0_good_packets: 100, rx_q0_good_bytes: 100 * bytes });
  });

  it('keep what they leave to others, behind the tag that the kernel had taken off', () => {
    const kernel = new Kernel();
    kernel.coming.push({ frame: large, header: largeHeader, tag: 0x2005 });
    kernel.link.receive(0, privatePool(1), kernel.burst);
    const { offloads } = kernel.burst;
    const [frame] = readFrames(kernel.burst);
    expect([...frame.subarray(12, 16)]).toEqual([0x81, 0, 0x20, 5]);
    expect([offloads?.gsoType[0], offloads?.segmentSize[0], offloads?.checksumStart[0]]).toEqual([
      1, 1000, 38,
    ]);
  });

  it('have a tag of another kind back as it was', () => {
    const kernel = new Kernel();
    kernel.coming.push({ frame: content(60), tag: 7, tagType: 0x88a8 });
    expect([...kernel.receive()[0].subarray(12, 16)]).toEqual([0x88, 0xa8, 0, 7]);
  });

  it.each<[string, Coming, string]>([
    ['are larger than any may be', { frame: content(60), truncated: true }, 'length'],
    ['are empty', { frame: new Uint8Array() }, 'length'],
    ['have a checksum beyond their end', { frame: content(60), header: [1, 0, 0, 0, 0, 0, 60] }, 'header'],
    ['are put together of nobody knows what', { frame: content(60), header: [2, 1, 54, 0, 100] }, 'header'],
  ])('are dropped and counted when they %s, and those around them are not', (_, bad, reason) => {
    const kernel = new Kernel();
    for (let round = 0; round < 200; round++) {
      kernel.coming.push({ frame: content(61) }, bad, { frame: content(62) });
      expect(kernel.receive().map(({ length }) => length)).toEqual([61, 62]);
    }
    expect(kernel.link.stats()).toMatchObject({
      rx_q0_errors: 200,
      [`rx_q0_dropped_${reason}_packets`]: 200,
    });
  });

  it('and have offloads without words are dropped by the kernel, which is counted', () => {
    const kernel = new Kernel();
    kernel.error = EINVAL;
    expect(kernel.receive()).toEqual([]);
    expect([kernel.link.stats()['rx_q0_dropped_header_packets'], kernel.lost]).toEqual([1, 0]);
  });

  it('come no more when the interface goes down, and whoever listens is told', () => {
    const kernel = new Kernel();
    kernel.receive();
    expect(kernel.lost).toBe(0);
    kernel.error = ENETDOWN;
    expect([kernel.receive(), kernel.lost]).toEqual([[], 1]);
  });
});

describe('frames that go out by an interface', () => {
  it('have a header in front that says nothing', () => {
    const kernel = new Kernel();
    expect(kernel.link.deliver(burstOf([content(60), content(9000)]), 0, 2)).toBe(0);
    expect(kernel.sent).toEqual(
      [60, 9000].map((bytes) => Uint8Array.from([...new Uint8Array(10), ...content(bytes)])),
    );
  });

  it('are left to the kernel to be cut, where it does', () => {
    const kernel = new Kernel();
    kernel.link.deliver(burstOf([large], HDR_GSO_TCPV4), 0, 1);
    const header = [...largeHeader];
    // A hint that its sender did not give.
    header[2] = 0;
    expect(kernel.sent).toEqual([Uint8Array.from([...header, ...large])]);
  });

  it('are cut here where the kernel may not', () => {
    const kernel = new Kernel();
    const burst = burstOf([large], HDR_GSO_TCPV4 | 0x80);
    expect(kernel.link.deliver(burst, 0, 1)).toBe(0);
    const frames = kernel.sent.map((frame) => frame.subarray(10));
    expect([frames.map(({ length }) => length), frames.every(isComplete)]).toEqual([
      [1054, 1054, 1054],
      true,
    ]);
    expect(burstOf([large], HDR_GSO_UDP_L4).count).toBe(1);
  });

  it('are sent in as many calls as it takes', () => {
    const kernel = new Kernel();
    const frames = Array.from({ length: 64 }, (_, i) => content(60 + i));
    expect([kernel.link.deliver(burstOf(frames), 0, 64), kernel.sent.length]).toEqual([0, 64]);
  });

  it.each([
    ['too large', EMSGSIZE, 'oversize'],
    ['malformed', EINVAL, 'header'],
  ])('and are %s to the kernel are left out, the others are not', (_, error, reason) => {
    const kernel = new Kernel();
    kernel.answers.push(1, -error);
    const frames = [60, 61, 62].map(content);
    expect([kernel.link.deliver(burstOf(frames), 0, 3), kernel.sent.map(({ length }) => length)]).toEqual([
      1,
      [70, 72],
    ]);
    expect(kernel.link.stats()).toMatchObject({ [`tx_q0_dropped_${reason}_packets`]: 1 });
  });

  it.each([
    ['has no room', EAGAIN, 0],
    ['has no memory', ENOBUFS, 0],
    ['has no interface', ENETDOWN, 1],
  ])('are given up when the kernel %s', (_, error, lost) => {
    const kernel = new Kernel();
    for (let round = 0; round < 100; round++) {
      kernel.answers.push(1, -error);
      expect(kernel.link.deliver(burstOf([60, 61, 62].map(content)), 0, 3)).toBe(2);
    }
    expect(kernel.lost).toBe(100 * lost);
  });
});
