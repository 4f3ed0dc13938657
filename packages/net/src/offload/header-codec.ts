import { driverJob } from '@vio/native/internal';
import * as features from '../feature-bits.ts';
import {
  HDR_F_DATA_VALID,
  HDR_F_NEEDS_CSUM,
  HDR_GSO_ECN,
  HDR_GSO_NONE,
  HDR_GSO_TCPV4,
  HDR_GSO_TCPV6,
  HDR_GSO_UDP,
  HDR_GSO_UDP_L4,
  type PacketOffloads,
} from './packet-offloads.ts';

/** Constants of this module, because V8 folds those and not imported ones. */
const needsChecksum = HDR_F_NEEDS_CSUM;
const knownFlags = HDR_F_NEEDS_CSUM | HDR_F_DATA_VALID;
const ecn = HDR_GSO_ECN;
const none = HDR_GSO_NONE;

/** Which of a header's words mean something: what was negotiated, as numbers for the hot path. */
export class HeaderCodec {
  readonly #flags: number;
  readonly #checksum: boolean;
  readonly #ecn: boolean;
  /** By segmentation type without ECN: 1 when it was negotiated, for one version of IP at least. */
  readonly #kinds = new Uint8Array(128);
  /** The same for every version of IP: what may be said of any packet. */
  readonly #whole = new Uint8Array(128);

  /** For headers that a device has written. */
  static received(negotiated: bigint): HeaderCodec {
    return new HeaderCodec(
      negotiated,
      knownFlags,
      features.VIRTIO_NET_F_GUEST_CSUM,
      features.VIRTIO_NET_F_GUEST_ECN,
      {
        [HDR_GSO_TCPV4]: features.VIRTIO_NET_F_GUEST_TSO4,
        [HDR_GSO_TCPV6]: features.VIRTIO_NET_F_GUEST_TSO6,
        [HDR_GSO_UDP]: features.VIRTIO_NET_F_GUEST_UFO,
        [HDR_GSO_UDP_L4]: features.VIRTIO_NET_F_GUEST_USO4 | features.VIRTIO_NET_F_GUEST_USO6,
      },
    );
  }

  /** For headers that a driver writes. */
  static sent(negotiated: bigint): HeaderCodec {
    // That a checksum is right is for devices to say.
    return new HeaderCodec(
      negotiated,
      needsChecksum,
      features.VIRTIO_NET_F_CSUM,
      features.VIRTIO_NET_F_HOST_ECN,
      {
        [HDR_GSO_TCPV4]: features.VIRTIO_NET_F_HOST_TSO4,
        [HDR_GSO_TCPV6]: features.VIRTIO_NET_F_HOST_TSO6,
        [HDR_GSO_UDP]: features.VIRTIO_NET_F_HOST_UFO,
        [HDR_GSO_UDP_L4]: features.VIRTIO_NET_F_HOST_USO,
      },
    );
  }

  private constructor(
    negotiated: bigint,
    flags: number,
    checksum: bigint,
    ecnBit: bigint,
    kinds: Readonly<Record<number, bigint>>,
  ) {
    this.#flags = flags;
    this.#checksum = (negotiated & checksum) !== 0n;
    this.#ecn = (negotiated & ecnBit) !== 0n;
    for (const [kind, bits] of Object.entries(kinds)) {
      if ((negotiated & bits) !== 0n) this.#kinds[Number(kind)] = 1;
      if ((negotiated & bits) === bits) this.#whole[Number(kind)] = 1;
    }
  }

  /**
   * Reads the header at `at` once, and validates the copy (virtio 1.4, 5.1.9.4.2): nothing that was not negotiated,
   * nothing beyond the packet. Unknown flags are ignored.
   * @param bytes of the packet
   * @param into entry of `offloads` that is written
   * @returns false when the header makes no sense: the packet is to be dropped
   */
  read(u16: Uint16Array, at: number, bytes: number, offloads: PacketOffloads, into: number): boolean {
    const word = at >>> 1;
    const first = u16[word];
    offloads.clear(into);
    // Nothing said, as for most packets.
    if (first === 0) return true;
    const flags = first & this.#flags;
    const type = first >>> 8;
    const gso = type & ~ecn;
    if ((flags & needsChecksum) !== 0) {
      const start = u16[word + 3];
      const offset = u16[word + 4];
      if (!this.#checksum || start + offset + 2 > bytes) return false;
      offloads.checksumStart[into] = start;
      offloads.checksumOffset[into] = offset;
    }
    offloads.flags[into] = flags;
    if (gso === none) return true;
    const size = u16[word + 2];
    const negotiated = this.#kinds[gso] === 1 && (gso === type || this.#ecn);
    // To cut a packet its checksums have to be made anew, so one that needs none cannot be cut (5.1.9.4.1).
    if (!negotiated || size === 0 || (flags & needsChecksum) === 0) return false;
    offloads.gsoType[into] = type;
    offloads.segmentSize[into] = size;
    // A hint, and one that devices get wrong: never more than the packet has.
    const headers = u16[word + 1];
    offloads.headerLength[into] = headers < bytes ? headers : bytes;
    return true;
  }

  /** Says to a kernel what was negotiated. */
  describe(job: Int32Array): void {
    job[driverJob.checksum] = this.#checksum ? 1 : 0;
    job[driverJob.ecn] = this.#ecn ? 1 : 0;
    job[driverJob.segmentation] = this.#kinds.reduce((bits, known, kind) => bits | (known << kind), 0);
  }

  /**
   * True when the other side takes what an entry says, or it says nothing: else it is to be done before. Datagrams of a driver that takes
   * those of one version of IP only are made before, whichever they are: frames are not looked at here.
   */
  takes(offloads: PacketOffloads, entry: number): boolean {
    if ((offloads.flags[entry] & needsChecksum) === 0) return true;
    const type = offloads.gsoType[entry];
    const gso = type & ~ecn;
    return this.#checksum && (gso === none || (this.#whole[gso] === 1 && (gso === type || this.#ecn)));
  }

  /**
   * Writes the header at `at`: the first ten bytes of it, and num_buffers 0 where there is one. What was not
   * negotiated is left out (5.1.9.2.1).
   */
  write(u8: Uint8Array, at: number, headerBytes: number, offloads: PacketOffloads, from: number): void {
    const flags = this.#checksum ? offloads.flags[from] & this.#flags : 0;
    const type = offloads.gsoType[from];
    const kind = type & ~ecn;
    const cut = (flags & needsChecksum) !== 0 && this.#kinds[kind] === 1;
    u8.fill(0, at, at + headerBytes);
    u8[at] = flags;
    if (cut) {
      u8[at + 1] = this.#ecn ? type : kind;
      putLe16(u8, at + 2, offloads.headerLength[from]);
      putLe16(u8, at + 4, offloads.segmentSize[from]);
    }
    if ((flags & needsChecksum) !== 0) {
      putLe16(u8, at + 6, offloads.checksumStart[from]);
      putLe16(u8, at + 8, offloads.checksumOffset[from]);
    }
  }
}

function putLe16(u8: Uint8Array, at: number, value: number): void {
  u8[at] = value & 0xff;
  u8[at + 1] = value >>> 8;
}
