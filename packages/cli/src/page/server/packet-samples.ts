import type { TelemetrySource } from '@vio/net';
import type { SeenPacket } from '../shared/messages.ts';
import { PcapngReader } from './pcapng-reader.ts';

/** Packets that are kept, and those that are taken for each look. */
const mostKept = 64;
const mostTaken = 32;
/** Bytes of each that are shown. */
const snaplen = 128;
/** Bytes that may wait in the capture: more than one burst's worth would be copied for nobody. */
const buffer = mostTaken * (snaplen + 64);

/**
 * The last packets of a port: for each look some are captured, and then nothing is until the next, so that a port at full speed
 * is looked at for a moment.
 */
export class PacketSamples {
  readonly #source: TelemetrySource;
  #kept: SeenPacket[] = [];
  #number = 0;
  #capture: ReturnType<NonNullable<TelemetrySource['capture']>> | undefined;
  #left = 0;

  constructor(source: TelemetrySource) {
    this.#source = source;
  }

  /** Those behind the one of this number. */
  since(number: number): readonly SeenPacket[] {
    return this.#kept.filter((packet) => packet.number > number);
  }

  /** Takes some more. */
  more(): void {
    this.#left = mostTaken;
    if (this.#capture === undefined) void this.#take();
  }

  /** Ends it, also while it waits for a packet. */
  stop(): void {
    this.#left = 0;
    this.#capture?.[Symbol.dispose]?.();
  }

  async #take(): Promise<void> {
    const reader = new PcapngReader();
    try {
      this.#capture = this.#source.capture?.(snaplen, buffer);
      for await (const bytes of this.#capture ?? []) {
        this.#keep(reader, bytes);
        if (this.#left === 0) break;
      }
    } catch {
      // The port is closed, or its capture is not for us: there is nothing to show.
    } finally {
      this.#capture = undefined;
    }
  }

  #keep(reader: PcapngReader, bytes: Uint8Array): void {
    for (const packet of reader.read(bytes)) {
      if (this.#left === 0) return;
      this.#left--;
      const data = Buffer.from(packet.data).toString('base64');
      this.#kept.push({ ...packet, number: ++this.#number, data });
    }
    this.#kept = this.#kept.slice(-mostKept);
  }
}
