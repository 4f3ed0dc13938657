import type { Measured } from '@vio/net';
import type { Output } from '../output.ts';
import type { MetricsAddress } from './address.ts';
import { MetricsServer } from './server.ts';

/** Serves metrics where the user wants them; undefined when he does not. */
export async function serveMetrics(
  address: MetricsAddress | undefined,
  measured: () => Readonly<Record<string, Measured>>,
): Promise<MetricsServer | undefined> {
  return address === undefined ? undefined : MetricsServer.start(address, measured);
}

/** Says where the metrics are, which matters when the port number was left to the system. */
export function tellMetrics(metrics: MetricsServer | undefined, output: Output): void {
  if (metrics !== undefined) output.record('metrics', { url: metrics.url }, `metrics on ${metrics.url}`);
}
