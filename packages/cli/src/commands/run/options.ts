import type { PortTopology } from '../../forward/topology.ts';
import type { ForwardOptions } from '../../options/forward-options.ts';

/** What `vio run` was asked for. */
export interface RunOptions extends ForwardOptions {
  /** More ports, besides those of the arguments. */
  readonly vdev: readonly string[];
  /** Every virtio PCI device with a driver for user space. */
  readonly pci?: true;
  readonly portTopology: PortTopology;
  /** Queues, and descriptors of their rings; undefined: as devargs say. */
  readonly rxq?: number;
  readonly txq?: number;
  readonly rxd?: number;
  readonly txd?: number;
  /** Huge pages are taken where some are free. */
  readonly huge: boolean;
  readonly txFirst?: true;
  /** Threads that forward. */
  readonly nbCores: number;
  /** CPUs that the program runs on. */
  readonly lcores?: readonly number[];
  /** DPDK's ETH_TXQ_FLAGS_* bits. */
  readonly txqflags?: number;
  readonly enableRxCksum?: true;
  readonly enableLro?: true;
  readonly enableHwVlanStrip?: true;
  /** Bytes of the largest frame, CRC included. */
  readonly maxPktLen?: number;
  /** Somebody is asked for commands. */
  readonly interactive?: true;
  readonly autoStart?: true;
  /** A file of commands. */
  readonly cmdlineFile?: string;
  readonly timeout: number;
  readonly wait?: true;
  readonly reconnect?: true;
  readonly xstats?: true;
  readonly verbose?: true;
  readonly pcap?: string;
  readonly snaplen: number;
}
