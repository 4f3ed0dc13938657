export {
  describeDeviceCompliance,
  type DeviceFactory,
  type DeviceUnderTest,
} from '../compliance/device-compliance.ts';
export {
  describePortCompliance,
  type PortFactory,
  type PortUnderTest,
} from '../compliance/port-compliance.ts';
export { exchangeFrames, uniqueFrame } from '../compliance/exchange.ts';
export type { ComplianceRunner } from '../compliance/runner.ts';
export { readFrames, writeFrames } from './frames.ts';
