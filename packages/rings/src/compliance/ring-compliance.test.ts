import * as fc from 'fast-check';
import { describe, it } from 'vitest';
import { createDeviceQueue } from '../device/create-device-queue.ts';
import { describeDeviceQueue } from '../test-support/ring-pairs.ts';

describeDeviceQueue('rings', createDeviceQueue, { describe, it, fc });
