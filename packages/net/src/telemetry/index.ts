export { type ObservablePort, portSource } from './port-source.ts';
export type { Controls, EventFeed, LinkView, RingState, TelemetryEvent, TelemetrySource } from './source.ts';
export { type Observed, Telemetry } from './telemetry.ts';
export { type TelemetryOptions, type TelemetryServer, serveTelemetry } from './telemetry-server.ts';
