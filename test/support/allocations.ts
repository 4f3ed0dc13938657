import { type HeapProfiler, Session } from 'node:inspector';

/** Bytes of JavaScript's heap that a function took, and which functions took them. */
export interface Allocations {
  readonly bytes: number;
  readonly by: string[];
}

/** Bytes between two that are looked at: the smallest object has 16, and what happens in every burst is seen soon. */
const samplingInterval = 256;

/** @param run is synchronous @returns what it allocated, of which most is garbage by then */
export function allocationsOf(run: () => void): Allocations {
  const session = new Session();
  session.connect();
  try {
    session.post('HeapProfiler.startSampling', {
      samplingInterval,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    run();
    let found: Allocations = { bytes: 0, by: [] };
    session.post('HeapProfiler.stopSampling', (error, { profile }) => {
      if (error !== null) throw error;
      found = ofOurs(profile.head);
    });
    return found;
  } finally {
    session.disconnect();
  }
}

/** All but the inspector's own and Node's. */
function ofOurs({ callFrame, selfSize, children }: HeapProfiler.SamplingHeapProfileNode): Allocations {
  const own = callFrame.url.startsWith('node:') ? 0 : selfSize;
  const below = children.map(ofOurs);
  return {
    bytes: below.reduce((sum, { bytes }) => sum + bytes, own),
    by: [
      ...(own === 0 ? [] : [`${callFrame.functionName} (${callFrame.url}): ${own} bytes`]),
      ...below.flatMap(({ by }) => by),
    ],
  };
}
