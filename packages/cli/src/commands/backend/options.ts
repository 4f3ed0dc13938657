import type { ForwardOptions } from '../../options/forward-options.ts';

/** What `vio backend` was asked for. */
export interface BackendOptions extends ForwardOptions {
  readonly client?: true;
  readonly queues: number;
  /** False: no segmentation is offered. */
  readonly tso: boolean;
  readonly linearBuffer?: true;
  readonly iommuSupport?: true;
  readonly postcopySupport?: true;
  /** The vDPA device that works on the rings of frontends: address of a PCI card, or a path. */
  readonly vdpa?: string;
  readonly extBuffer?: true;
  readonly legacyOlFlags?: true;
  /** Device features to offer, and those to leave out: names, or a mask. */
  readonly features?: string;
  readonly disable?: string;
}
