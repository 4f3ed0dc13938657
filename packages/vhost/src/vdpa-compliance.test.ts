import { VioError } from '@vio/native';
import { describe, it } from 'vitest';
import { describeVdpaCompliance } from './compliance/vdpa-compliance.ts';
import { LoopbackVdpa, type LoopbackVdpaOptions } from './testing/loopback-vdpa.ts';

const runner = { describe, it };
const pulled = new VioError('it was pulled out', { code: 'VIO_TEST_PULLED', remedy: 'plug it in' });
const loopback = (options: LoopbackVdpaOptions = {}) => {
  const device = new LoopbackVdpa(options);
  return { device, end: () => device.pull(pulled) };
};

describeVdpaCompliance('a loopback', () => loopback(), runner);
describeVdpaCompliance(
  'a loopback that goes on anywhere',
  () => loopback({ resumes: true, queueNum: 4 }),
  runner,
);
