export { readConfig } from './config/config-file.ts';
export {
  type BridgeConfig,
  type DirectoryConfig,
  type PortConfig,
  type SwitchConfig,
  parseConfig,
  parsePort,
} from './config/schema.ts';
export { type PortCounterName, portCounterNames } from './fabric/port-counters.ts';
export { type SwitchOptions, VioSwitch } from './switch/vio-switch.ts';
export type { MacView, PortView, Reloaded, Trouble } from './switch/views.ts';
export { SwitchCallError, callSwitch } from './control/client.ts';
export { ControlServer } from './control/control-server.ts';
export { type DaemonOptions, type DaemonReport, runDaemon } from './daemon/daemon.ts';
export { StatusServer } from './daemon/status-server.ts';
