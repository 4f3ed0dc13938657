import * as fc from 'fast-check';
import { describe, it } from 'vitest';
import { describeDeviceQueue } from '../test-support/ring-pairs.ts';
import { inflightBytes } from './inflight-layout.ts';
import { createTrackedDeviceQueue } from './tracked-device.ts';

describeDeviceQueue(
  'tracked rings',
  (options) => {
    const buffer = new ArrayBuffer(inflightBytes(options.features.format, options.size));
    return createTrackedDeviceQueue(options, { buffer, offset: 0 });
  },
  { describe, it, fc },
);
