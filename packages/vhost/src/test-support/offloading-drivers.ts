import {
  HDR_F_NEEDS_CSUM,
  HDR_GSO_TCPV4,
  PacketBurst,
  QueueStats,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_HOST_TSO4,
} from '@vio/net';
import { HeaderCodec } from '@vio/net/internal';
import type { BufferPool } from '@vio/rings';
import { freshMemory } from '@vio/rings/testing';
import { naiveChecksum, tcpSegment } from '@vio/test-support';
import type { DequeueOptions } from '../backend/packets/dequeue-options.ts';
import { DequeuePath } from '../backend/packets/dequeue.ts';
import { EnqueuePath } from '../backend/packets/enqueue.ts';
import { headerBytes, packetPool, packetsOf, supply } from './packets.ts';
import { type cases, setUpSingles } from './singles-setup.ts';

/** An engine on rings of a format. */
export type Side = (typeof cases)[number];

/** A TCP segment over IPv4 with the pseudo-header's sum where its checksum is to be. */
export function tcp(payload: number): Uint8Array {
  const bytes = tcpSegment(payload);
  const pseudo = [...bytes.subarray(26, 34), 0, 6, (20 + payload) >>> 8, (20 + payload) & 0xff];
  new DataView(bytes.buffer).setUint16(50, ~naiveChecksum(Uint8Array.from(pseudo)));
  return bytes;
}

/** What a header says. */
export interface Said {
  readonly flags?: number;
  readonly type?: number;
  readonly headers?: number;
  readonly size?: number;
  readonly start?: number;
  readonly offset?: number;
}
/** A checksum that is left to do. */
export const checksum: Said = { flags: HDR_F_NEEDS_CSUM, start: 34, offset: 16 };
/** Segments that are left to make. */
export const segmentation: Said = { ...checksum, type: HDR_GSO_TCPV4, headers: 54, size: 1000 };

/** Its bytes. */
export function header({
  flags = 0,
  type = 0,
  headers = 0,
  size = 0,
  start = 0,
  offset = 0,
}: Said): Uint8Array {
  const view = new DataView(new ArrayBuffer(headerBytes));
  view.setUint8(0, flags);
  view.setUint8(1, type);
  for (const [i, value] of [headers, size, start, offset].entries()) view.setUint16(2 + 2 * i, value, true);
  return new Uint8Array(view.buffer);
}

/** What a driver of TCP leaves to us. */
export const work = VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4;
/** What it takes over. */
export const takes = VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4;

/** A driver's transmit queue that may leave work to us. */
export function transmit({ engine, format }: Side, options: DequeueOptions = {}, features = work) {
  const memory = freshMemory({ guestAddress: 0x1_ffff_8000, size: 0x10_0000 });
  const set = setUpSingles(engine, format, { memory, size: 64, headerBytes: 0 });
  const stats = new QueueStats();
  const path = new DequeuePath(
    set.queue,
    set.copier,
    headerBytes,
    stats,
    HeaderCodec.sent(features),
    options,
  );
  return {
    ...set,
    path,
    stats,
    pool: packetPool(128),
    /** @param cuts where the frame, header in front, is cut into descriptors */
    send: (said: Said, bytes: Uint8Array, ...cuts: number[]): void => {
      const frame = Uint8Array.of(...header(said), ...bytes);
      const at = set.driver.memory.put(frame);
      const ends = [...cuts, frame.length];
      set.driver.expose(
        ends.map((end, i) => ({ address: at + (cuts[i - 1] ?? 0), length: end - (cuts[i - 1] ?? 0) })),
      );
    },
  };
}

/** A driver's receive queue, of a driver that takes so much of the work. */
export function receive({ engine, format }: Side, taken: bigint, mergeable = true) {
  const memory = freshMemory({ guestAddress: 0x1_ffff_8000, size: 0x10_0000 });
  const set = setUpSingles(engine, format, { memory, size: 64, writable: true });
  const stats = new QueueStats();
  const codec = taken === 0n ? undefined : HeaderCodec.received(taken);
  const path = new EnqueuePath(set.queue, set.copier, memory, headerBytes, mergeable, stats, codec);
  const buffers: number[] = [];
  return {
    path,
    stats,
    supply: (count: number, bytes: number) => {
      for (let i = 0; i < count; i++) buffers.push(supply(set.driver, bytes));
    },
    /** What has come, each with its header. */
    received: (): { header: Uint8Array; bytes: Uint8Array }[] =>
      set.driver.used().map(({ length }) => {
        const at = buffers.shift() ?? 0;
        const all = set.driver.memory.read(at, length);
        return { header: all.subarray(0, headerBytes), bytes: all.subarray(headerBytes) };
      }),
  };
}

/** Packets of which one and the same is left to do. */
export function burstOf(pool: BufferPool, said: Said, ...packets: Uint8Array[]): PacketBurst {
  const plain = packetsOf(pool, ...packets);
  const burst = new PacketBurst(64, { offloads: true });
  burst.pool = pool;
  for (let i = 0; i < plain.count; i++) {
    burst.buffer[i] = plain.buffer[i];
    burst.offset[i] = plain.offset[i];
    burst.length[i] = plain.length[i];
    burst.segments[i] = plain.segments[i];
  }
  burst.count = plain.count;
  const { offloads } = burst;
  offloads?.flags.fill(said.flags ?? 0);
  offloads?.gsoType.fill(said.type ?? 0);
  offloads?.headerLength.fill(said.headers ?? 0);
  offloads?.segmentSize.fill(said.size ?? 0);
  offloads?.checksumStart.fill(said.start ?? 0);
  offloads?.checksumOffset.fill(said.offset ?? 0);
  return burst;
}
