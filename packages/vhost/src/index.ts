export type { SharedRegion, VhostTransport, VhostTransportKind, VringUserAddresses } from './transport.ts';
