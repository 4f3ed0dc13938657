import { VioError } from '@vio/native';
import { FuzzLog, type Fuzzed, Random } from '@vio/rings/testing';
import { type PcapFile, pcapFileHeader, readPcap, writePcap } from '../pcap/pcap.ts';

const nanoseconds = 1_000_000_000;
const headerBytes = pcapFileHeader().length;
/** Lengths of frames that a record may say. */
const telling = [0xffff_ffff, 0x7fff_ffff, 0x8000_0000, 262_144, 262_145, 0, 1];

/** Files with mistakes: they are read, or refused by VIO_PCAP_FORMAT; frames are bytes of the file, times are times. */
export function fuzzPcap(states: number, seed: number): Fuzzed {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  while (log.open) {
    log.state(() => {
      const file = damagedFile(random);
      try {
        const wrong = check(readPcap(file), file);
        log.saw('read');
        return wrong;
      } catch (error) {
        if (!VioError.is(error) || error.code !== 'VIO_PCAP_FORMAT') throw error;
        log.saw('refused');
        return undefined;
      }
    });
  }
  return log.result();
}

function check({ packets }: PcapFile, file: Uint8Array): string | undefined {
  let bytes = headerBytes;
  for (const packet of packets) {
    if (packet.nanoseconds < 0 || packet.nanoseconds >= nanoseconds) return `${packet.nanoseconds} ns`;
    if (packet.bytes.buffer !== file.buffer) return 'a frame that is not of the file';
    bytes += 16 + packet.bytes.length;
  }
  return bytes === file.length ? undefined : `${bytes} bytes read of ${file.length}`;
}

function damagedFile(random: Random): Uint8Array {
  const packets = Array.from({ length: random.below(4) }, () => ({
    seconds: random.u32(),
    nanoseconds: random.below(nanoseconds),
    wireLength: random.below(2000),
    bytes: new Uint8Array(random.below(100)),
  }));
  let file = Uint8Array.from(writePcap({ linkType: 1, packets }));
  for (let i = random.below(6); i > 0; i--) file[random.below(file.length)] = random.u32();
  if (random.chance(0.3)) file = file.slice(0, random.below(file.length));
  if (random.chance(0.05)) random.scramble(file);
  if (random.chance(0.3) && file.length >= headerBytes + 12) {
    new DataView(file.buffer).setUint32(headerBytes + 8, random.pick(telling), random.chance(0.5));
  }
  return file;
}
