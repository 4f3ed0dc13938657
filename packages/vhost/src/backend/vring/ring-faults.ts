import type { QueueFault } from '@vio/rings';

/** Where a ring goes on cannot be found out. @param said the base its frontend gave; undefined: none */
export function baseUnknown(said: number | undefined): QueueFault {
  const base = said === undefined ? 'none' : `0x${said.toString(16)}`;
  return {
    code: 'BASE_UNKNOWN',
    detail: `the base that was given (${base}) contradicts the ring, which does not tell where its device was`,
  };
}

/** A mapping of the driver's memory, or of its inflight buffer, met the SIGBUS guard. */
export const memoryFault: QueueFault = {
  code: 'MEMORY_FAULTED',
  detail: 'the driver truncated the file of its memory: pages that the rings or buffers need are gone',
};
