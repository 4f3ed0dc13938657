import { heldArray } from '@vio/native/internal';

/** Flags of `struct virtio_net_hdr` (virtio 1.4, section 5.1.9). */
export const HDR_F_NEEDS_CSUM = 1;
/** Header flag: the device has checked the packet's checksum. */
export const HDR_F_DATA_VALID = 2;
/** Header flag: the fields of the checksum hold numbers of coalesced segments (RSC_EXT). */
export const HDR_F_RSC_INFO = 4;

/** Segmentation types of `struct virtio_net_hdr`. */
export const HDR_GSO_NONE = 0;
/** Segmentation type: TCP over IPv4. */
export const HDR_GSO_TCPV4 = 1;
/** Segmentation type: UDP, by IP fragments (UFO). */
export const HDR_GSO_UDP = 3;
/** Segmentation type: TCP over IPv6. */
export const HDR_GSO_TCPV6 = 4;
/** Segmentation type: UDP, a datagram for each segment (USO). */
export const HDR_GSO_UDP_L4 = 5;
/** Bit of the segmentation type: the TCP segments have ECN. */
export const HDR_GSO_ECN = 0x80;

/**
 * What the virtio-net headers of a burst's packets say, or shall say: parallel arrays, as long as the burst.
 * All zero: the checksums are complete and nothing is to be segmented.
 */
export class PacketOffloads {
  /** HDR_F_* bits. NEEDS_CSUM: the checksum from `checksumStart` on is still to be computed and stored. */
  readonly flags: Uint8Array;
  /** HDR_GSO_*: what kind of segments the packet is to be cut into, or was put together from. */
  readonly gsoType: Uint8Array;
  /** Bytes of all headers of a packet that is to be cut; a hint. */
  readonly headerLength: Uint16Array;
  /** Bytes of payload in a segment. */
  readonly segmentSize: Uint16Array;
  /** Where the checksum begins, in bytes from the start of the frame. */
  readonly checksumStart: Uint16Array;
  /** Where it is stored, in bytes from its beginning. */
  readonly checksumOffset: Uint16Array;

  /** Hash that the device worked out, where `hashReport` says so; of a port with HASH_REPORT. */
  readonly hash: Uint32Array;
  /** HASH_REPORT_*: what was hashed; HASH_REPORT_NONE: nothing was. */
  readonly hashReport: Uint8Array;

  constructor(capacity: number) {
    this.hash = new Uint32Array(capacity);
    this.hashReport = new Uint8Array(capacity);
    this.flags = heldArray(Uint8Array, capacity);
    this.gsoType = heldArray(Uint8Array, capacity);
    this.headerLength = heldArray(Uint16Array, capacity);
    this.segmentSize = heldArray(Uint16Array, capacity);
    this.checksumStart = heldArray(Uint16Array, capacity);
    this.checksumOffset = heldArray(Uint16Array, capacity);
  }

  /** Entry `at`: nothing is left to the other side. Hashes stay as they are. */
  clear(at: number): void {
    this.flags[at] = 0;
    this.gsoType[at] = 0;
    this.headerLength[at] = 0;
    this.segmentSize[at] = 0;
    this.checksumStart[at] = 0;
    this.checksumOffset[at] = 0;
  }

  /** Entry `at` becomes what entry `from` of `other` is. */
  copy(at: number, other: PacketOffloads, from: number): void {
    this.flags[at] = other.flags[from];
    this.gsoType[at] = other.gsoType[from];
    this.headerLength[at] = other.headerLength[from];
    this.segmentSize[at] = other.segmentSize[from];
    this.checksumStart[at] = other.checksumStart[from];
    this.checksumOffset[at] = other.checksumOffset[from];
    this.hash[at] = other.hash[from];
    this.hashReport[at] = other.hashReport[from];
  }
}
