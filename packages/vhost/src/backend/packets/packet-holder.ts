import type { PacketBurst, PacketOffloads } from '@vio/net';
import type { ChainBurst, Region } from '@vio/rings';

/** Where copies are noted, and then done. */
export interface CopySink {
  /** What local packet memory is called in copies. */
  localHandle(region: Region): number;
  /** Notes a copy to the driver's memory. */
  toDriver(local: number, from: number, window: number, offset: number, bytes: number): void;
  /** Notes a copy from the driver's memory. */
  fromDriver(window: number, offset: number, local: number, to: number, bytes: number): void;
  /** Lets what was noted be done: at once, or beside this thread. */
  run(): void;
}

/**
 * Who keeps packets, and the chains they are in, until their bytes have been copied beside this thread. A data path with a
 * holder completes no chain by itself.
 */
export interface PacketHolder {
  /** Takes the copies of packets that are held. */
  readonly copies: CopySink;
  /** Where chains are fetched to, behind those that are in there; it has room for a burst of any kind. */
  chains(): ChainBurst;
  /**
   * Packet `i` of a burst, in so many chains (those that `skip` has named, besides); its copies were noted since the last packet.
   * @param said what its header says, in entry `i`
   */
  packet(burst: PacketBurst, i: number, chains: number, said?: PacketOffloads): void;
  /** Chains whose bytes are there already, or that have none. They belong to the next packet. */
  skip(chains: number): void;
  /** Instead of completing them: the next chains of the order in which they were fetched. */
  complete(chains: ChainBurst, from: number, count: number): void;
}
