import { EventFd, SharedMemory, UnixStream, dupFd } from '@vio/native';
import * as net from '@vio/net';
import { VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import type { Random } from '@vio/rings/testing';
import { openSync } from 'node:fs';
import type { FakeStream } from './fake-stream.ts';
import {
  type Request,
  VHOST_F_LOG_ALL,
  VHOST_USER_F_PROTOCOL_FEATURES,
  encodeRaw,
  encodeRequest,
  frontendRequests as requests,
} from '../wire/index.ts';
import { Guest, driverReady } from './guest.ts';

const guestBase = 0x1_0000_0000n;
const userBase = 0x7f00_0000_0000n;
const pieceBytes = 0x8_0000n;
/** Where drivers behind an I/O MMU have their memory. */
const iova = 0xfff0_0000;
const most64 = (1n << 64n) - 1n;
const telling = [
  0, 1, 2, 3, 4, 5, 7, 8, 255, 256, 257, 4095, 4096, 0x8_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];
const tellingWide = [
  0n,
  1n,
  0x1000n,
  pieceBytes,
  userBase,
  userBase + 0x1000n,
  guestBase,
  2n ** 53n,
  2n ** 63n,
  most64,
];

const rows: readonly Request<unknown, unknown>[] = Object.values(requests);
/** Those that change something, as often as this. */
const weights: Readonly<Record<string, number>> = {
  SET_FEATURES: 1,
  SET_MEM_TABLE: 2,
  SET_VRING_NUM: 1,
  SET_VRING_ADDR: 3,
  SET_VRING_KICK: 2,
  SET_VRING_CALL: 1,
  SET_VRING_ENABLE: 2,
  SET_STATUS: 1,
  ADD_MEM_REG: 1,
  REM_MEM_REG: 1,
  SET_INFLIGHT_FD: 1,
  GET_INFLIGHT_FD: 1,
  GET_VRING_BASE: 1,
  SET_BACKEND_REQ_FD: 1,
  SET_LOG_BASE: 1,
  IOTLB_MSG: 4,
  POSTCOPY_ADVISE: 1,
  POSTCOPY_LISTEN: 1,
  POSTCOPY_END: 1,
};
const weighty = rows.flatMap((row) => Array.from({ length: weights[row.name] ?? 0 }, () => row));

const control = net.VIRTIO_NET_F_CTRL_VQ | net.VIRTIO_NET_F_MQ;
const featureSets = [
  VIRTIO_F_VERSION_1 | VHOST_USER_F_PROTOCOL_FEATURES,
  VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED | VHOST_USER_F_PROTOCOL_FEATURES,
  VIRTIO_F_VERSION_1 | control | VHOST_USER_F_PROTOCOL_FEATURES,
  VIRTIO_F_VERSION_1 | VHOST_F_LOG_ALL | VHOST_USER_F_PROTOCOL_FEATURES,
  0n,
  most64,
];

/** Frontends that start a device as they should, with omissions, and then send anything. */
export class HostileFrontend implements Disposable {
  readonly #random: Random;
  readonly #memory = SharedMemory.create({
    size: 6 * Number(pieceBytes),
    name: 'vio-test-guest',
    populate: false,
  });
  readonly #event = EventFd.create();
  readonly #sockets = UnixStream.pair();
  readonly #others = [openSync('/dev/null', 'r+'), openSync('/tmp', 'r'), openSync('/proc/self/maps', 'r')];
  readonly #makers: readonly (() => Guest)[] = [
    () => new Guest({}),
    () =>
      new Guest({
        size: 64,
        features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED,
        ring: { format: 'packed' },
      }),
    () => new Guest({ rings: 5, features: VIRTIO_F_VERSION_1 | control | net.VIRTIO_NET_F_MRG_RXBUF }),
    () =>
      new Guest({
        rings: 3,
        features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED | net.VIRTIO_NET_F_CTRL_VQ,
        ring: { format: 'packed' },
      }),
    () => new Guest({ features: VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM, iova }),
    () =>
      new Guest({
        features: VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_RING_PACKED,
        ring: { format: 'packed' },
        iova,
      }),
  ];
  readonly #guests = this.#makers.map((make) => make());

  constructor(random: Random) {
    this.#random = random;
  }

  /** The messages of a start. */
  *start(protocolFeatures: bigint): Generator<[Uint8Array, number[]]> {
    const random = this.#random;
    const fresh = random.chance(0.3);
    const guest = this.#guest(fresh);
    const say = function* <P>(
      row: Request<P, unknown>,
      payload: P,
      ...fds: number[]
    ): Generator<[Uint8Array, number[]]> {
      for (let times = random.pick([1, 1, 1, 1, 1, 1, 1, 1, 1, random.below(3)]); times > 0; times--) {
        yield [encodeRequest(row, payload, random.chance(0.5)), fds.map(dupFd)];
      }
    };
    yield* say(requests.SET_PROTOCOL_FEATURES, protocolFeatures);
    yield* say(requests.SET_FEATURES, guest.features);
    const late = random.chance(0.1);
    if (late) {
      yield* say(requests.POSTCOPY_ADVISE, undefined);
      yield* say(requests.POSTCOPY_LISTEN, undefined);
    }
    yield* say(requests.SET_MEM_TABLE, guest.regions, ...guest.regions.map(() => guest.fd));
    // The word that the addresses are known, which looks like a request.
    if (late && random.chance(0.9)) yield [encodeRaw(requests.SET_MEM_TABLE.id, 1, new Uint8Array(8)), []];
    for (const [index, ring] of guest.rings.entries()) {
      yield* say(requests.SET_VRING_CALL, { index, hasFd: true }, guest.calls[index].fd);
      yield* say(requests.SET_VRING_NUM, { index, value: guest.size });
      yield* say(requests.SET_VRING_BASE, { index, value: ring.device.base });
      yield* say(requests.SET_VRING_ADDR, guest.address(index));
      yield* say(requests.SET_VRING_KICK, { index, hasFd: true }, guest.kicks[index].fd);
      yield* say(requests.SET_VRING_ENABLE, { index, value: 1 });
      if (fresh) supplyRing(guest, index);
      else if (random.chance(0.5)) ring.scramble(() => (random.chance(0.7) ? 0 : random.below(256)));
    }
    if (late && random.chance(0.5)) yield* say(requests.POSTCOPY_END, undefined);
    yield* say(requests.SET_STATUS, driverReady);
    if ((guest.features & VIRTIO_F_ACCESS_PLATFORM) === 0n) return;
    for (const [i, { userAddress, size }] of guest.regions.entries()) {
      const message = { iova: BigInt(iova + i * size), size: BigInt(size), userAddress: BigInt(userAddress) };
      yield* say(requests.IOTLB_MSG, { ...message, permissions: random.pick([3, 3, 3, 1, 2]), type: 2 });
    }
  }

  /** @param fresh one whose rings nobody has used or scrambled */
  #guest(fresh: boolean): Guest {
    const at = this.#random.below(this.#guests.length);
    if (fresh) {
      this.#guests[at][Symbol.dispose]();
      this.#guests[at] = this.#makers[at]();
    }
    return this.#guests[at];
  }

  /** Sends something, perhaps in two pieces. @param row of this kind; default: of any */
  send(stream: FakeStream, row = this.#anyKind()): void {
    const random = this.#random;
    const payload = this.#payload(row);
    const id = random.chance(0.99) ? row.id : random.pick([0, 45, 46, 100, 0xffff_ffff]);
    const flags = random.chance(0.97) ? (random.chance(0.1) ? 1 : 9) : random.below(16);
    const bytes = encodeRaw(id, flags, payload);
    if (random.chance(0.01)) new DataView(bytes.buffer).setUint32(8, random.u32(), true);
    const fds = this.#fds(row, payload);
    if (random.chance(0.95)) return stream.feed(bytes, fds);
    const cut = 1 + random.below(bytes.length - 1);
    stream.feed(bytes.subarray(0, cut), fds);
    stream.feed(bytes.subarray(cut), random.chance(0.1) ? [dupFd(this.#event.fd)] : []);
  }

  [Symbol.dispose](): void {
    for (const guest of this.#guests) guest[Symbol.dispose]();
    for (const stream of this.#sockets) stream.close();
    this.#memory.close();
    this.#event.close();
  }

  #anyKind(): Request<unknown, unknown> {
    return this.#random.pick(this.#random.chance(0.8) ? weighty : rows);
  }

  #fds(row: Request<unknown, unknown>, payload: Uint8Array): number[] {
    const random = this.#random;
    const count = random.chance(0.95) ? this.#rightNumber(row, payload) : random.below(12);
    const right = row.name.startsWith('SET_VRING') ? this.#event.fd : this.#memory.fd;
    const any = (): number =>
      random.pick([...this.#others, this.#memory.fd, this.#event.fd, this.#sockets[0].fd]);
    return Array.from({ length: count }, () => dupFd(random.chance(0.95) ? right : any()));
  }

  #rightNumber(row: Request<unknown, unknown>, payload: Uint8Array): number {
    if (row.fdsFor === undefined) return row.fds[1];
    try {
      return row.fdsFor(row.payload.decode(payload, row.name));
    } catch {
      return this.#random.below(3);
    }
  }

  #payload(row: Request<unknown, unknown>): Uint8Array {
    const random = this.#random;
    const view = new DataView(new ArrayBuffer(512));
    const bytes = new Uint8Array(view.buffer);
    let used = this.#fill(row, view);
    if (random.chance(0.04)) used = random.below(512);
    for (let i = random.chance(0.05) && used > 0 ? 3 : 0; i > 0; i--)
      bytes[random.below(used)] = random.u32();
    return bytes.slice(0, used);
  }

  /** A payload that is mostly right. @returns its length */
  #fill(row: Request<unknown, unknown>, view: DataView): number {
    const random = this.#random;
    const index = random.below(6);
    const set32 = (at: number, value: number): void => view.setUint32(at, value, true);
    const set64 = (at: number, value: bigint): void => view.setBigUint64(at, value, true);
    switch (row.name) {
      case 'SET_FEATURES':
        set64(0, random.pick(featureSets));
        return 8;
      case 'SET_PROTOCOL_FEATURES':
        set64(0, random.chance(0.8) ? BigInt(random.u32() & 0x1_3b2f) | 8n : random.pick(tellingWide));
        return 8;
      case 'SET_MEM_TABLE': {
        const count = random.chance(0.9) ? 1 + random.below(3) : random.below(12);
        set32(0, count);
        for (let i = 0; i < count; i++) this.#region(view, 8 + 32 * i, BigInt(i), 0n);
        return 8 + 32 * count;
      }
      case 'ADD_MEM_REG':
      case 'REM_MEM_REG':
        this.#region(view, 8, BigInt(random.below(4)), 0x1_0000_0000n);
        return 40;
      case 'SET_VRING_NUM':
      case 'SET_VRING_BASE':
      case 'GET_VRING_BASE':
      case 'SET_VRING_ENABLE':
        set32(0, index);
        set32(
          4,
          random.chance(0.8) ? random.pick([0, 1, 1, 2, 8, 64, 256, 0x8000_8000]) : random.pick(telling),
        );
        return 8;
      case 'SET_VRING_ADDR': {
        const base = userBase + BigInt(random.below(3)) * pieceBytes;
        set32(0, index);
        for (const at of [8, 16, 24]) {
          const unaligned = random.chance(0.9) ? 0 : random.below(32);
          set64(at, base + BigInt(4096 * random.below(30) + unaligned));
        }
        if (random.chance(0.1)) set64(8 + 8 * random.below(4), random.pick(tellingWide));
        if (random.chance(0.3)) set32(4, 1);
        return 40;
      }
      case 'SET_LOG_BASE':
        set64(0, random.chance(0.8) ? BigInt(1 + random.below(0x30_0000)) : random.pick(tellingWide));
        set64(8, random.chance(0.9) ? 0n : random.pick(tellingWide));
        return 16;
      case 'SET_VRING_KICK':
      case 'SET_VRING_CALL':
      case 'SET_VRING_ERR':
        set64(0, BigInt(index | random.pick([0, 0, 0, 0, 256, 512])));
        return 8;
      case 'GET_INFLIGHT_FD':
      case 'SET_INFLIGHT_FD':
        set64(0, random.chance(0.8) ? BigInt(random.below(400_000)) : random.pick(tellingWide));
        set64(8, random.chance(0.9) ? 0n : random.pick(tellingWide));
        view.setUint16(16, random.pick([1, 2, 5, 255, 256]), true);
        view.setUint16(18, random.pick([1, 8, 64, 256, 32_768]), true);
        return random.pick([20, 24]);
      case 'GET_CONFIG':
      case 'SET_CONFIG': {
        const bytes = random.pick([1, 6, 8, 12, 24, 256]);
        set32(0, random.pick([0, 0, 0, 6, 255, 256, 0xffff_ffff]));
        set32(4, random.chance(0.9) ? bytes : random.u32());
        set32(8, random.below(3));
        return 12 + bytes;
      }
      case 'IOTLB_MSG':
        set64(0, BigInt(iova + 4096 * random.below(256)));
        set64(8, BigInt(4096 * random.pick([1, 1, 1, 16, 256, 0])));
        set64(16, userBase + BigInt(4096 * random.below(300)));
        if (random.chance(0.1)) set64(8 * random.below(3), random.pick(tellingWide));
        view.setUint8(24, random.pick([3, 3, 3, 1, 2, 0]));
        view.setUint8(25, random.chance(0.95) ? random.pick([2, 2, 3]) : random.below(8));
        return 32;
      case 'SET_STATUS':
        set64(
          0,
          random.chance(0.9) ? BigInt(random.pick([0, 1, 3, 11, 15, 15, 15])) : random.pick(tellingWide),
        );
        return 8;
      default:
        random.scramble(new Uint8Array(view.buffer), 0, row.payload.minBytes);
        return Math.min(row.payload.minBytes, 512);
    }
  }

  #region(view: DataView, at: number, i: bigint, beyond: bigint): void {
    const random = this.#random;
    const right = [
      guestBase + beyond + i * pieceBytes,
      pieceBytes,
      userBase + beyond + i * pieceBytes,
      i * pieceBytes,
    ];
    for (const [k, value] of right.entries()) {
      if (at + 8 * k + 8 > view.byteLength) return;
      view.setBigUint64(at + 8 * k, random.chance(0.97) ? value : random.pick(tellingWide), true);
    }
  }
}

/** Buffers for packets on a ring, or packets. */
function supplyRing({ rings }: Guest, index: number): void {
  const ring = rings[index];
  const length = 2048;
  for (let i = 0; i < 4; i++)
    ring.expose([{ address: ring.memory.alloc(length), length, writable: index % 2 === 0 }]);
}
