export { describeRingCompliance, type ComplianceRunner } from '../compliance/ring-compliance.ts';
export {
  poolBuffers,
  type RingPair,
  type RingPairFactory,
  type RingPairRequest,
} from '../compliance/ring-pair.ts';
export { GuestMemory, freshMemory } from './guest-memory.ts';
export {
  ScriptedDriver,
  type ScriptedBuffer,
  type ScriptedChain,
  type ScriptedDriverOptions,
  type ScriptedTable,
} from './scripted-driver.ts';
