/** What a backend process behind a guest's I/O MMU says, a line each. */
export interface IommuSaid {
  readonly listens?: true;
  /** A device is ready, and what it negotiated. */
  readonly device?: { readonly packed: boolean; readonly platform: boolean };
  /** At the end of the process. */
  readonly audit?: Audit;
  /** What should not happen. */
  readonly trouble?: string;
}

/** How it is found out that only what is translated is touched. */
export type Watch = 'audit' | 'guard';

/** What was copied to and from the guest's memory, checked against what its frontend had said by then. */
export interface Audit {
  /** Copies that were looked at. */
  readonly copies: number;
  /** Those that touched a page without a translation, or wrote where they might only read. */
  readonly wrong: number;
  /** Pages that had a translation and lost it. */
  readonly unmapped: number;
  /** Questions of the device, ranges that the frontend gave, and invalidations. */
  readonly misses: number;
  readonly updates: number;
  readonly invalidations: number;
  /** With `guard`. */
  readonly guard?: {
    /** Times that pages came or went. */
    readonly changes: number;
    /** Pages that nobody could touch, when memory was announced last. */
    readonly away: number;
  };
}
