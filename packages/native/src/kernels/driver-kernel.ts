import { addon } from '../addon.ts';
import { keepInThread } from '../untransferable.ts';
import type { DriverKernel, DriverKernelParts } from './kernel-parts.ts';

/** Bursts that a kernel holds at a time. */
export const burstsPerKernel = 8;

/**
 * Makes a kernel. Everything it works on is held by it, and cannot be transferred to another thread.
 * @throws RangeError or TypeError for parts that do not belong together
 */
export function createDriverKernel(parts: DriverKernelParts): DriverKernel {
  const { memory: _mapped, ...own } = parts;
  for (const array of Object.values(own)) if (array !== undefined) keepInThread(array.buffer);
  const kernel = addon.createDriverKernel(parts);
  // The functions are called as they came: one around each would cost as much as the call.
  return Object.assign(kernel, {
    bind: boundBy(kernel.bind.bind(kernel)),
  });
}

/** Keeps the arrays of a burst from going to another thread, before it is bound. */
function boundBy(bind: DriverKernel['bind']): DriverKernel['bind'] {
  return (slot, burst) => {
    const { offloads, ...arrays } = burst;
    for (const array of [...Object.values(arrays), ...Object.values(offloads ?? {})]) {
      keepInThread(array.buffer);
    }
    bind(slot, burst);
  };
}
