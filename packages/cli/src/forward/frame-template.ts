import { VioError } from '@vio/native';
import type { Region } from '@vio/rings';

const sourceAddressAt = 26;
const sourcePortAt = 34;

/**
 * An Ethernet + IPv4 + UDP frame as testpmd's txonly sends it: documentation addresses 198.18.0.1 to 198.18.0.2,
 * UDP port 9 to 9. The headers are written into every packet, the payload is whatever the buffer holds.
 */
export class FrameTemplate {
  /** Bytes of the frame, without CRC. */
  readonly bytes: number;
  readonly #words: Int32Array;

  /** @param bytes 60 to 9728 (a frame on the wire has 4 bytes of CRC more) */
  constructor(bytes: number) {
    if (!Number.isInteger(bytes) || bytes < 60 || bytes > 9728) {
      throw new VioError(`a frame of ${bytes} bytes cannot be generated`, {
        code: 'VIO_FRAME_SIZE',
        remedy: 'choose 60 to 9728 bytes, without the CRC',
      });
    }
    this.bytes = bytes;
    const frame = Buffer.alloc(44);
    frame.set([0x02, 0, 0, 0, 0, 0x02], 0);
    frame.set([0x02, 0, 0, 0, 0, 0x01], 6);
    frame.writeUInt16BE(0x0800, 12);
    frame.set([0x45, 0], 14);
    frame.writeUInt16BE(bytes - 14, 16);
    frame.set([64, 17], 22);
    frame.set([198, 18, 0, 1], sourceAddressAt);
    frame.set([198, 18, 0, 2], sourceAddressAt + 4);
    frame.writeUInt16BE(9, sourcePortAt);
    frame.writeUInt16BE(9, sourcePortAt + 2);
    frame.writeUInt16BE(bytes - 34, 38);
    frame.writeUInt16BE(ipv4Checksum(frame), 24);
    this.#words = new Int32Array(frame.buffer.slice(frame.byteOffset, frame.byteOffset + 44));
  }

  /** Writes the headers at a region offset that is a multiple of 4, with the UDP source port moved by `flow`. */
  write(region: Region, offset: number, flow: number): void {
    const words = this.#words;
    const i32 = region.i32;
    const at = offset >>> 2;
    for (let i = 0; i < 11; i++) i32[at + i] = words[i];
    if (flow !== 0) {
      region.u8[offset + sourcePortAt] = (1024 + flow) >>> 8;
      region.u8[offset + sourcePortAt + 1] = flow & 0xff;
    }
  }
}

function ipv4Checksum(frame: Buffer): number {
  let sum = 0;
  for (let i = 14; i < 34; i += 2) sum += frame.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
