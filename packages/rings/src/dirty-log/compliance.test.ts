import * as fc from 'fast-check';
import { describe, it } from 'vitest';
import { createDeviceQueue } from '../device/create-device-queue.ts';
import { Region } from '../memory/region.ts';
import { describeDeviceQueue } from '../test-support/ring-pairs.ts';
import { DirtyLog } from '../memory/dirty-log.ts';
import { LoggedDevice } from './logged-device.ts';

/** Bits for 4 MiB, which is more than any ring here has with its pool. */
const logBytes = 128;

describeDeviceQueue(
  'logged rings',
  (options) => {
    const log = new DirtyLog(new Region(new ArrayBuffer(logBytes)), () => {
      throw new Error('something was written outside of the memory');
    });
    return new LoggedDevice(createDeviceQueue(options), { log, ...options });
  },
  { describe, it, fc },
);
