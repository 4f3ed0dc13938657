export { describeRingCompliance, type RingComplianceRunner } from '../compliance/ring-compliance.ts';
export {
  poolBuffers,
  type RingPair,
  type RingPairFactory,
  type RingPairRequest,
} from '../compliance/ring-pair.ts';
export type { SeenBuffer, SeenChain, SeenDescriptor } from './chain-reader.ts';
export { FuzzLog, type Fuzzed } from './fuzz-log.ts';
export { fuzzing, unseen } from './fuzzing.ts';
export { GuestMemory, freshMemory } from './guest-memory.ts';
export { privatePool } from './private-pool.ts';
export { Random } from './random.ts';
export { ScriptedDevice, type ScriptedDeviceOptions, type ScriptedUse } from './scripted-device.ts';
export {
  ScriptedDriver,
  type ScriptedBuffer,
  type ScriptedChain,
  type ScriptedDriverOptions,
  type ScriptedTable,
} from './scripted-driver.ts';
export { UncaughtErrors } from './uncaught-errors.ts';
