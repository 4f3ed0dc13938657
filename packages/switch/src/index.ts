// What applications use. What only the other packages of vio need is in internal.ts.
export { readConfig } from './config/config-file.ts';
export {
  type BridgeConfig,
  type DirectoryConfig,
  type InterfacePortConfig,
  type PortConfig,
  type SocketPortConfig,
  type SwitchConfig,
  type TapPortConfig,
  type UplinkPortConfig,
  parseConfig,
} from './config/schema.ts';
export { SwitchCallError, callSwitch } from './control/client.ts';
export { type ControlSocket, serveControl } from './control/control-server.ts';
export type { ControlTarget } from './control/methods.ts';
export {
  type ListeningSocket,
  type StatusPage,
  StatusServer,
  type SwitchHealth,
} from './daemon/status-server.ts';
export type { MacEntry } from './fabric/mac-table.ts';
export { type PortCounterName, portCounterNames } from './fabric/port-counters.ts';
export type { PortState } from './ports/endpoint.ts';
export type { PortOrigin } from './switch/table-port.ts';
export type { TrunkView } from './threads/threads.ts';
export type { MacView, PortView, Reloaded, Trouble, WorkerView } from './switch/views.ts';
export { type SwitchOptions, VioSwitch } from './switch/vio-switch.ts';
