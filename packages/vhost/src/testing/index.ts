export {
  type VdpaFactory,
  type VdpaUnderTest,
  describeVdpaCompliance,
} from '../compliance/vdpa-compliance.ts';
export { EchoBackend } from './echo-backend.ts';
export { LoopbackVdpa, type LoopbackVdpaOptions } from './loopback-vdpa.ts';
export {
  type BackendScript,
  type Misbehaviour,
  ScriptedBackend,
  type SeenRequest,
  misbehaviourCodes,
} from './scripted-backend.ts';
export { StubEngine, type StubEngineFault, type StubEngineOptions } from './stub-engine.ts';
export { ScriptedFrontend, type RequestSendOptions } from './scripted-frontend.ts';
