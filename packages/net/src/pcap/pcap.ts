import { VioError } from '@vio/native';

/** One captured frame. */
export interface PcapPacket {
  /** Time of capture, whole seconds since 1970 and the nanoseconds (0 to 999 999 999) within that second. */
  readonly seconds: number;
  /** Nanoseconds within that second, 0 to 999,999,999. */
  readonly nanoseconds: number;
  /** Bytes the frame had on the wire; `bytes.length` is smaller when the capture cut it. */
  readonly wireLength: number;
  /** The frame, as much of it as was kept. */
  readonly bytes: Uint8Array;
}

/** A capture that was read. */
export interface PcapFile {
  /** Link type of every frame; 1 is Ethernet. */
  readonly linkType: number;
  /** The frames, in the order of the file. */
  readonly packets: readonly PcapPacket[];
}

/** LINKTYPE_ETHERNET */
export const linkTypeEthernet = 1;

const magicMicroseconds = 0xa1b2c3d4;
const magicNanoseconds = 0xa1b23c4d;
const fileHeaderBytes = 24;
export const pcapRecordHeaderBytes = 16;
const nanosecondsPerSecond = 1_000_000_000;
const maxSnapLength = 262_144;

/**
 * Reads a classic pcap file (not pcapng) of either byte order, with micro- or nanosecond times. The frames are
 * views of `file`.
 * @throws VioError VIO_PCAP_FORMAT when it is not such a file or ends within a record
 */
export function readPcap(file: Uint8Array): PcapFile {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < fileHeaderBytes)
    throw malformed(`it has ${file.length} bytes, the header alone takes 24`);
  const littleEndian = [magicMicroseconds, magicNanoseconds].includes(view.getUint32(0, true));
  const magic = view.getUint32(0, littleEndian);
  if (magic !== magicMicroseconds && magic !== magicNanoseconds) {
    throw malformed(`it starts with 0x${view.getUint32(0).toString(16)}, which is no pcap magic number`);
  }
  const scale = magic === magicMicroseconds ? 1000 : 1;
  const packets: PcapPacket[] = [];
  for (let at = fileHeaderBytes; at < file.length;) {
    const start = at + pcapRecordHeaderBytes;
    const captured = start <= file.length ? view.getUint32(at + 8, littleEndian) : 0;
    if (start > file.length || captured > maxSnapLength || start + captured > file.length) {
      throw malformed(`record ${packets.length} at byte ${at} goes beyond the end of the file`);
    }
    // Some writers leave more than a second in the fraction.
    const fraction = view.getUint32(at + 4, littleEndian) * scale;
    packets.push({
      seconds: view.getUint32(at, littleEndian) + Math.floor(fraction / nanosecondsPerSecond),
      nanoseconds: fraction % nanosecondsPerSecond,
      wireLength: view.getUint32(at + 12, littleEndian),
      bytes: file.subarray(start, start + captured),
    });
    at = start + captured;
  }
  return { linkType: view.getUint32(20, littleEndian), packets };
}

/** The 24 bytes that begin a little-endian pcap file with nanosecond times. */
export function pcapFileHeader(linkType = linkTypeEthernet, snapLength = maxSnapLength): Uint8Array {
  const header = new Uint8Array(fileHeaderBytes);
  const view = new DataView(header.buffer);
  view.setUint32(0, magicNanoseconds, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, snapLength, true);
  view.setUint32(20, linkType, true);
  return header;
}

/**
 * One record, header and frame, to be appended to a file begun with `pcapFileHeader`.
 * @throws RangeError for a time that a file cannot have
 */
function pcapRecord(packet: PcapPacket): Uint8Array {
  checkTime(packet);
  const record = new Uint8Array(pcapRecordHeaderBytes + packet.bytes.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, packet.seconds, true);
  view.setUint32(4, packet.nanoseconds, true);
  view.setUint32(8, packet.bytes.length, true);
  view.setUint32(12, packet.wireLength, true);
  record.set(packet.bytes, pcapRecordHeaderBytes);
  return record;
}

/** A whole pcap file in memory: the inverse of `readPcap`. */
export function writePcap(file: PcapFile): Uint8Array {
  return Buffer.concat([pcapFileHeader(file.linkType), ...file.packets.map(pcapRecord)]);
}

function checkTime({ seconds, nanoseconds }: PcapPacket): void {
  const within = (value: number, most: number): boolean =>
    Number.isInteger(value) && value >= 0 && value <= most;
  if (within(seconds, 0xffff_ffff) && within(nanoseconds, nanosecondsPerSecond - 1)) return;
  throw new RangeError(`${seconds} s and ${nanoseconds} ns are no time of a pcap record`);
}

function malformed(what: string): VioError {
  return new VioError(`this is not a readable pcap file: ${what}`, {
    code: 'VIO_PCAP_FORMAT',
    remedy: 'capture with `tcpdump -w FILE`, or convert a pcapng file with `editcap -F pcap IN OUT`',
  });
}
