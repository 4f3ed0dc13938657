import { type Request, VHOST_USER_PROTOCOL_F_REPLY_ACK, frontendRequests } from '../../wire/index.ts';
import { configHandlers } from './config-handlers.ts';
import type { HandlerTable } from './handler.ts';
import { inflightHandlers } from './inflight-handlers.ts';
import { iommuHandlers } from './iommu-handlers.ts';
import { memoryHandlers } from './memory-handlers.ts';
import { migrationHandlers } from './migration-handlers.ts';
import { negotiationHandlers } from './negotiation-handlers.ts';
import { networkHandlers } from './network-handlers.ts';
import { ringHandlers } from './ring-handlers.ts';
import { statusHandlers } from './status-handlers.ts';

/**
 * What this backend does for each request; a request without a row is unknown to it. The result is the answer, for requests
 * that have one.
 */
export const handlers: HandlerTable = {
  ...negotiationHandlers,
  ...ringHandlers,
  ...memoryHandlers,
  ...inflightHandlers,
  ...migrationHandlers,
  ...iommuHandlers,
  ...statusHandlers,
  ...configHandlers,
  ...networkHandlers,
};

/** Protocol features this backend can serve: those all of whose requests it handles, and REPLY_ACK, which has none. */
export const supportedProtocolFeatures = servedFeatures() | VHOST_USER_PROTOCOL_F_REPLY_ACK;

function servedFeatures(): bigint {
  const rows = Object.entries<Request<unknown, unknown>>(frontendRequests);
  const handled = rows.filter(([name]) => name in handlers);
  const unhandled = rows.filter(([name]) => !(name in handlers));
  const featuresOf = (some: typeof rows): bigint => some.reduce((all, [, { feature }]) => all | feature, 0n);
  return featuresOf(handled) & ~featuresOf(unhandled);
}
