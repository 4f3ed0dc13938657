export { EchoBackend } from './echo-backend.ts';
export {
  type BackendScript,
  type Misbehaviour,
  ScriptedBackend,
  type SeenRequest,
  misbehaviourCodes,
} from './scripted-backend.ts';
export { ScriptedFrontend, type SendOptions } from './scripted-frontend.ts';
