import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1, driverQueueBytes, ringFeatures } from '@vio/rings';
import { failureOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { pairsOf } from '../../test-support/ring-sizes.ts';
import { planMemory } from './memory-plan.ts';

describe.each([
  ['split', VIRTIO_F_VERSION_1],
  ['packed', VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED],
])('the memory of a port with %s rings', (_format, features) => {
  const ring = ringFeatures(features);

  it.each([1, 2, 128])('of %i queue pairs: no ring at address 0, none over another', (queues) => {
    const { rxOffset, txOffset, controlOffset } = planMemory(pairsOf(queues, 64), ring);
    const starts = [...rxOffset, ...txOffset].toSorted((a, b) => a - b);
    expect(starts[0]).toBeGreaterThan(0);
    const ends = starts.map((start) => start + driverQueueBytes(ring, 64));
    expect(starts.slice(1).every((start, i) => start >= ends[i])).toBe(true);
    expect(controlOffset).toBeGreaterThanOrEqual(Math.max(...ends));
  });

  it('has rings of several sizes, none over another', () => {
    const sizes = [
      { rx: 1024, tx: 256 },
      { rx: 64, tx: 512 },
    ];
    const { rxOffset, txOffset, poolOffset, pairBuffers } = planMemory(sizes, ring);
    const ends = sizes.flatMap(({ rx, tx }, pair) => [
      [rxOffset[pair], rxOffset[pair] + driverQueueBytes(ring, rx)],
      [txOffset[pair], txOffset[pair] + driverQueueBytes(ring, tx)],
    ]);
    const sorted = ends.toSorted(([a], [b]) => a - b);
    expect(sorted.slice(1).every(([start], i) => start >= sorted[i][1])).toBe(true);
    expect(poolOffset).toBeGreaterThanOrEqual(sorted[3][1]);
    expect(pairBuffers).toBe(2 * (1024 + 256));
  });

  it.each([
    [1, 64, 65],
    [1, 64, 128],
    [2, 256, 514],
  ])('of %i queue pairs with rings of %i has %i buffers if that is asked for', (queues, size, buffers) => {
    expect(planMemory(pairsOf(queues, size), ring, { buffers }).poolBuffers).toBe(buffers);
  });

  it.each([
    [1, 64, 64],
    [2, 256, 513],
    [1, 64, NaN],
    [1, 64, -1],
  ])('of %i queue pairs with rings of %i is not planned with %d buffers', (queues, size, buffers) => {
    expect(failureOf(() => planMemory(pairsOf(queues, size), ring, { buffers })).code).toBe('VIO_POOL_SIZE');
  });
});
