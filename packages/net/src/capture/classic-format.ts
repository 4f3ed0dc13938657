import { pcapFileHeader, pcapRecordHeaderBytes } from '../pcap/pcap.ts';
import type { CaptureFormat } from './capture-format.ts';

/** pcap as tcpdump has always written it, with nanosecond times: it knows nothing of queues and of what is missing. */
export const classicFormat: CaptureFormat = {
  head: (_sources, snaplen) => pcapFileHeader(undefined, snaplen),
  recordBytes: (captured) => pcapRecordHeaderBytes + captured,
  record(view, at, _source, microseconds, captured, wire) {
    view.setUint32(at, Math.floor(microseconds / 1e6), true);
    view.setUint32(at + 4, Math.floor(microseconds % 1e6) * 1000, true);
    view.setUint32(at + 8, captured, true);
    view.setUint32(at + 12, wire, true);
    return at + pcapRecordHeaderBytes;
  },
  tail: () => new Uint8Array(0),
};
