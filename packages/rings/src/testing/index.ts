export { GuestMemory, freshMemory } from './guest-memory.ts';
export {
  ScriptedDriver,
  type ScriptedBuffer,
  type ScriptedChain,
  type ScriptedDriverOptions,
  type ScriptedTable,
} from './scripted-driver.ts';
