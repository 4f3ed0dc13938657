import type { QueueFault } from '../fault.ts';
import type { RingFormat } from '../format.ts';

/** One descriptor, decoded. */
export interface DescriptorDump {
  /** Slot in the ring, or in its indirect table. */
  readonly slot: number;
  /** Hexadecimal: JSON has no numbers of 64 bits. */
  readonly address: string;
  /** Bytes. */
  readonly length: number;
  /** NEXT, WRITE, INDIRECT; packed: AVAIL and USED as well. */
  readonly flags: readonly string[];
  /** Split, with NEXT: the slot of the next one. Packed: the buffer id. */
  readonly next?: number;
  /** Packed: the buffer id. */
  readonly id?: number;
}

/** A buffer the device holds. */
export interface ChainDump {
  /** Split: the head descriptor's index; packed: the buffer id. */
  readonly head: number;
  /** Its descriptors in the ring, 64 at most. */
  readonly descriptors: readonly DescriptorDump[];
  /** Those of its indirect table, if it has one, 64 at most. */
  readonly indirect?: readonly DescriptorDump[];
  /** Descriptors besides, of ring and table; undefined: none. */
  readonly more?: number;
  /** What is wrong with it, in words. */
  readonly wrong?: string;
}

/** What the device said of a buffer. */
export interface UsedDump {
  /** Split: position in the used ring; packed: slot. */
  readonly slot: number;
  /** Split: the head descriptor's index; packed: the buffer id. */
  readonly id: number;
  /** Bytes it says it wrote. */
  readonly length: number;
}

/** What one side wants to be told (event suppression). */
export interface EventDump {
  /** Split: the flags field; packed: what the flags mean. */
  readonly flags: number;
  /** What the fields say. */
  readonly meaning: 'enabled' | 'disabled' | 'at descriptor' | 'reserved';
  /** Split with EVENT_IDX: the index; packed: the offset of the descriptor event. */
  readonly event?: number;
  /** Packed: the wrap counter of the descriptor event. */
  readonly wrap?: number;
}

/** A ring in numbers; plain data. */
export interface RingDump {
  /** Layout of the ring. */
  readonly format: RingFormat;
  /** Descriptors. */
  readonly size: number;
  /** Why the queue stopped; undefined while it runs. */
  readonly broken: QueueFault | undefined;
  /** Split: free-running indexes as they are in memory. */
  readonly availableIndex?: number;
  /** Split: the used index as it is in memory. */
  readonly usedIndex?: number;
  /** Written by the driver: when it wants an interrupt. */
  readonly driverEvents: EventDump;
  /** Written by the device: when it wants a kick. */
  readonly deviceEvents: EventDump;
  /** Buffers the device holds; `listed` may be fewer. */
  readonly inFlight: number;
  /** The oldest buffers that the device holds. */
  readonly listed: readonly ChainDump[];
  /** What the device wrote last, oldest first. */
  readonly used: readonly UsedDump[];
}

/** How much of a ring is shown. */
export interface DumpOptions {
  /** Buffers in flight that are listed with their descriptors, and used entries, at most. Default 16. */
  readonly limit?: number;
}
