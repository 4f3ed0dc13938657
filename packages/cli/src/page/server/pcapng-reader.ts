import { pcapngBlock, pcapngOption } from '@vio/net/internal';

/** A packet of a capture. */
export interface CapturedPacket {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** As in `rx0`. */
  readonly queue: string;
  readonly direction: 'in' | 'out';
  /** Of the whole frame. */
  readonly bytes: number;
  /** What was kept of it. */
  readonly data: Uint8Array;
}

/** Reads the pcapng that captures of ports and devices are, chunk by chunk: chunks hold whole blocks. */
export class PcapngReader {
  readonly #queues: string[] = [];

  read(chunk: Uint8Array): CapturedPacket[] {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const packets: CapturedPacket[] = [];
    for (let at = 0; at + 12 <= chunk.length;) {
      const [type, length] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      if (length < 12 || at + length > chunk.length) break;
      if (type === pcapngBlock.interface) this.#queues.push(nameOf(chunk, view, at + 16, at + length - 4));
      else if (type === pcapngBlock.packet && length >= 32) packets.push(this.#packet(chunk, view, at));
      at += length;
    }
    return packets;
  }

  #packet(chunk: Uint8Array, view: DataView, at: number): CapturedPacket {
    const queue = this.#queues[view.getUint32(at + 8, true)] ?? '?';
    const microseconds = view.getUint32(at + 12, true) * 2 ** 32 + view.getUint32(at + 16, true);
    const start = at + 28;
    const captured = view.getUint32(at + 20, true);
    const data = chunk.slice(start, Math.min(start + captured, chunk.length));
    const direction = queue.startsWith('tx') ? 'out' : 'in';
    return { time: microseconds / 1000, queue, direction, bytes: view.getUint32(at + 24, true), data };
  }
}

function nameOf(chunk: Uint8Array, view: DataView, from: number, end: number): string {
  for (let at = from; at + 4 <= end;) {
    const [option, length] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    if (option === pcapngOption.interfaceName)
      return Buffer.from(chunk.subarray(at + 4, at + 4 + length)).toString('utf8');
    if (option === pcapngOption.end) break;
    at += 4 + ((length + 3) & ~3);
  }
  return '?';
}
