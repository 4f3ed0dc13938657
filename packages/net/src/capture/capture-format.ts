/** A queue whose packets are captured. */
export interface CaptureSource {
  /** As in `rx0`. */
  readonly name: string;
  /** Seen from the port. */
  readonly direction: 'in' | 'out';
}

/** How captured packets are written down. */
export interface CaptureFormat {
  /** What the stream begins with. */
  head(sources: readonly CaptureSource[], snaplen: number): Uint8Array;
  /** Bytes of a record that holds so many of a packet. */
  recordBytes(captured: number): number;
  /**
   * Writes a record, but for the packet's bytes.
   * @param view the chunk it goes to, `recordBytes(captured)` from `at` on, which are zero
   * @param source index of the packet's queue
   * @param microseconds since 1970
   * @param wire bytes of the packet, of which `captured` are kept
   * @returns where the packet's bytes belong
   */
  record(
    view: DataView,
    at: number,
    source: number,
    microseconds: number,
    captured: number,
    wire: number,
  ): number;
  /** What the stream ends with. @param dropped packets that are missing, by source */
  tail(dropped: readonly number[]): Uint8Array;
}
