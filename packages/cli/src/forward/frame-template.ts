import { VioError } from '@vio/native';
import { completeIpv4, protocolUdp, typeIpv4 } from '@vio/net/internal';
import type { Region } from '@vio/rings';
import { leastFrame, mostFrame } from './frame-limits.ts';

const sourceAddressAt = 26;
const sourcePortAt = 34;
/** Ethernet, IPv4 and UDP headers, and two bytes that make them whole words. */
const templateBytes = 44;

/**
 * An Ethernet + IPv4 + UDP frame as testpmd's txonly sends it: documentation addresses 198.18.0.1 to 198.18.0.2,
 * UDP port 9 to 9. The headers are written into every packet, the payload is whatever the buffer holds.
 */
export class FrameTemplate {
  /** Bytes of the frame, without CRC. */
  readonly bytes: number;
  /** Bytes of each segment. */
  readonly segments: readonly number[];
  /** Bytes that `write` writes. */
  readonly headerBytes = templateBytes;
  readonly #words: Int32Array;

  /** @param segments bytes of each segment, together 42 (the headers) to 9728, without CRC */
  constructor(segments: readonly number[]) {
    const bytes = segments.reduce((all, one) => all + one, 0);
    if (
      !segments.every((each) => Number.isInteger(each) && each > 0) ||
      bytes < leastFrame ||
      bytes > mostFrame
    ) {
      throw new VioError(`a frame of ${bytes} bytes cannot be generated`, {
        code: 'VIO_FRAME_SIZE',
        remedy: `choose ${leastFrame} to ${mostFrame} bytes, without the CRC`,
      });
    }
    this.bytes = bytes;
    this.segments = segments;
    const frame = Buffer.alloc(templateBytes);
    frame.set([0x02, 0, 0, 0, 0, 0x02], 0);
    frame.set([0x02, 0, 0, 0, 0, 0x01], 6);
    frame.writeUInt16BE(typeIpv4, 12);
    frame.set([0x45, 0], 14);
    frame.writeUInt16BE(bytes - 14, 16);
    frame.set([64, protocolUdp], 22);
    frame.set([198, 18, 0, 1], sourceAddressAt);
    frame.set([198, 18, 0, 2], sourceAddressAt + 4);
    frame.writeUInt16BE(9, sourcePortAt);
    frame.writeUInt16BE(9, sourcePortAt + 2);
    frame.writeUInt16BE(bytes - 34, 38);
    completeIpv4(frame, 14, 34);
    this.#words = new Int32Array(frame.buffer.slice(frame.byteOffset, frame.byteOffset + templateBytes));
  }

  /** Writes the headers at a region offset that is a multiple of 4, with the UDP source port moved by `flow`. */
  write(region: Region, offset: number, flow: number): void {
    const words = this.#words;
    const i32 = region.i32;
    const at = offset >>> 2;
    for (let i = 0; i < words.length; i++) i32[at + i] = words[i];
    if (flow !== 0) {
      region.u8[offset + sourcePortAt] = (1024 + flow) >>> 8;
      region.u8[offset + sourcePortAt + 1] = flow & 0xff;
    }
  }
}
