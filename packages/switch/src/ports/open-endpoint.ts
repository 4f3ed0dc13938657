import type { PortConfig } from '../config/schema.ts';
import type { Endpoint, EndpointListener } from './endpoint.ts';
import { InterfaceEndpoint } from './interface-endpoint.ts';
import { SocketEndpoint } from './socket-endpoint.ts';
import { TapEndpoint } from './tap-endpoint.ts';
import { UplinkEndpoint } from './uplink-endpoint.ts';

/** The other end of a port, as its configuration says; it is not started yet. @throws VioError */
export function endpointOf(config: PortConfig, listener: EndpointListener): Endpoint {
  if ('uplink' in config) return new UplinkEndpoint(config, listener);
  if ('tap' in config) return new TapEndpoint(config, listener);
  if ('interface' in config) return new InterfaceEndpoint(config, listener);
  return new SocketEndpoint(config, listener);
}
