import type { ChainBurst, ChainBytes } from '@vio/rings';
import * as blk from './blk-layout.ts';
import type { DiskImage } from './disk-image.ts';

/** Bytes of a direction that has at least so many: a burst does not count further. */
const tooMany = 0x7fff_ffff;

/** What one request asks for, as its header says. */
interface Header {
  readonly type: number;
  /** Beyond 2^53 not exact, which is beyond every disk. */
  readonly sector: number;
}

/** A range to be discarded or zeroed. */
interface Range {
  readonly sector: number;
  readonly count: number;
  readonly flags: number;
}

/**
 * Carries out the requests of a driver (virtio 1.4, section 5.2.6) on a disk image. What a driver may write is copied once and
 * looked at then; data goes between the file and the driver's buffers without a copy of ours. Nothing it can say throws: a
 * request that makes no sense or fails is answered IOERR, one that the device does not do UNSUPP.
 */
export class BlkRequests {
  /** Bytes of the disk that were read, written, discarded or zeroed. */
  moved = 0;
  readonly #image: DiskImage;
  readonly #id: Uint8Array;
  readonly #header = new Uint8Array(blk.headerBytes);
  /** Negotiated device features. */
  readonly #features: bigint;

  /** @param id serial number, of which a driver gets 20 bytes */
  constructor(image: DiskImage, id: string, features: bigint) {
    this.#image = image;
    this.#id = new Uint8Array(blk.idBytes);
    new TextEncoder().encodeInto(id, this.#id);
    this.#features = features;
  }

  /** Carries out the request in a chain, and answers it. @returns bytes the driver can rely on, from the first on */
  execute(bytes: ChainBytes, chains: ChainBurst, chain: number): number {
    const room = chains.writableBytes[chain];
    // Nowhere to put a status: what such a request asks for is not done.
    if (room === 0) return 0;
    let status = blk.VIRTIO_BLK_S_IOERR;
    if (room < tooMany && chains.readableBytes[chain] < tooMany) {
      try {
        status = this.#perform(bytes, chains, chain);
      } catch {
        // The file system said no.
      }
      bytes.write(chains, chain, room - 1, Uint8Array.of(status));
    }
    return status === blk.VIRTIO_BLK_S_OK || room === 1 ? room : 0;
  }

  #perform(bytes: ChainBytes, chains: ChainBurst, chain: number): number {
    const header = this.#read(bytes, chains, chain);
    if (header === undefined) return blk.VIRTIO_BLK_S_IOERR;
    const { type, sector } = header;
    const sent = chains.readableBytes[chain] - blk.headerBytes;
    const room = chains.writableBytes[chain] - 1;
    switch (type) {
      case blk.VIRTIO_BLK_T_IN:
        if (sent > 0 || !this.#onDisk(sector, room)) return blk.VIRTIO_BLK_S_IOERR;
        this.#image.read(bytes.writable(chains, chain, 0, room), sector);
        return blk.VIRTIO_BLK_S_OK;
      case blk.VIRTIO_BLK_T_OUT:
        if (room > 0 || this.#image.readOnly || !this.#onDisk(sector, sent)) return blk.VIRTIO_BLK_S_IOERR;
        this.#image.write(bytes.readable(chains, chain, blk.headerBytes, sent), sector);
        return blk.VIRTIO_BLK_S_OK;
      case blk.VIRTIO_BLK_T_FLUSH:
        if (sent > 0 || room > 0) return blk.VIRTIO_BLK_S_IOERR;
        this.#image.flush();
        return blk.VIRTIO_BLK_S_OK;
      case blk.VIRTIO_BLK_T_GET_ID:
        if (sent > 0 || room !== blk.idBytes) return blk.VIRTIO_BLK_S_IOERR;
        bytes.write(chains, chain, 0, this.#id);
        return blk.VIRTIO_BLK_S_OK;
      case blk.VIRTIO_BLK_T_DISCARD:
        if ((this.#features & blk.VIRTIO_BLK_F_DISCARD) === 0n) return blk.VIRTIO_BLK_S_UNSUPP;
        return this.#onRanges(bytes, chains, chain, 0, (range) =>
          this.#image.discard(range.sector, range.count),
        );
      case blk.VIRTIO_BLK_T_WRITE_ZEROES:
        if ((this.#features & blk.VIRTIO_BLK_F_WRITE_ZEROES) === 0n) return blk.VIRTIO_BLK_S_UNSUPP;
        return this.#onRanges(bytes, chains, chain, blk.WRITE_ZEROES_FLAG_UNMAP, (range) =>
          this.#image.writeZeroes(range.sector, range.count, range.flags === blk.WRITE_ZEROES_FLAG_UNMAP),
        );
      default:
        return blk.VIRTIO_BLK_S_UNSUPP;
    }
  }

  /** Undefined: there is no whole header. */
  #read(bytes: ChainBytes, chains: ChainBurst, chain: number): Header | undefined {
    if (bytes.read(chains, chain, 0, this.#header) < blk.headerBytes) return undefined;
    const view = new DataView(this.#header.buffer);
    return { type: view.getUint32(0, true), sector: Number(view.getBigUint64(8, true)) };
  }

  /** Whether a request may move so many bytes there; they are counted. */
  #onDisk(sector: number, bytes: number): boolean {
    if (bytes > blk.maxRequestBytes) return false;
    this.moved += bytes;
    return bytes % blk.sectorBytes === 0 && this.#image.has(sector, bytes / blk.sectorBytes);
  }

  /** All ranges are looked at before anything is done. @param known flags that may be set */
  #onRanges(
    bytes: ChainBytes,
    chains: ChainBurst,
    chain: number,
    known: number,
    perform: (range: Range) => void,
  ): number {
    const sent = chains.readableBytes[chain] - blk.headerBytes;
    const count = sent / blk.rangeBytes;
    const whole = Number.isInteger(count) && count >= 1 && count <= blk.maxRanges;
    if (!whole || chains.writableBytes[chain] !== 1 || this.#image.readOnly) return blk.VIRTIO_BLK_S_IOERR;
    const copy = new Uint8Array(sent);
    bytes.read(chains, chain, blk.headerBytes, copy);
    const view = new DataView(copy.buffer);
    const ranges = Array.from({ length: count }, (_, i) => ({
      sector: Number(view.getBigUint64(i * blk.rangeBytes, true)),
      count: view.getUint32(i * blk.rangeBytes + 8, true),
      flags: view.getUint32(i * blk.rangeBytes + 12, true),
    }));
    if (ranges.some(({ flags }) => (flags & ~known) !== 0)) return blk.VIRTIO_BLK_S_UNSUPP;
    const fit = ranges.every((r) => r.count <= blk.maxRangeSectors && this.#image.has(r.sector, r.count));
    if (!fit) return blk.VIRTIO_BLK_S_IOERR;
    for (const range of ranges) {
      this.moved += range.count * blk.sectorBytes;
      perform(range);
    }
    return blk.VIRTIO_BLK_S_OK;
  }
}
