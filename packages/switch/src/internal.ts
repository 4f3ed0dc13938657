// What the other packages of vio use besides, and nobody else: it may change in every version.
export { parsePort } from './config/schema.ts';
export { type DaemonOptions, type DaemonReport, runDaemon } from './daemon/daemon.ts';
export { MacTable } from './fabric/mac-table.ts';
export { runThread } from './threads/run-thread.ts';
