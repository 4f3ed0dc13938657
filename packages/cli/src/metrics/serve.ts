import type { Measured } from '@vio/net';
import type { Output } from '../output.ts';
import type { MetricsAddress } from './address.ts';
import { MetricsServer } from './server.ts';

/** Serves metrics where the user wants them; null when he does not. */
export async function serveMetrics(
  address: MetricsAddress | undefined,
  measured: () => Readonly<Record<string, Measured>>,
): Promise<MetricsServer | null> {
  return address === undefined ? null : MetricsServer.start(address, measured);
}

/** Says where the metrics are, which matters when the port number was left to the system. */
export function tellMetrics(metrics: MetricsServer | null, output: Output): void {
  if (metrics !== null) output.record('metrics', { url: metrics.url }, `metrics on ${metrics.url}`);
}
