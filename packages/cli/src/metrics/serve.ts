import type { Measured } from '@vio/net';
import type { HttpAddress } from '@vio/net/internal/http';
import type { Output } from '../output.ts';
import type { Shown } from '../page/server/hub.ts';
import type { MetricsServer } from './server.ts';

/** Serves metrics and the live page where the user wants them; undefined when he does not. */
export async function serveMetrics(
  address: HttpAddress | undefined,
  measured: () => Readonly<Record<string, Measured>>,
  shown: Shown,
): Promise<MetricsServer | undefined> {
  if (address === undefined) return undefined;
  // HTTP and the page are loaded by those who want them.
  const { MetricsServer: Server } = await import('./server.ts');
  return Server.start(address, measured, shown);
}

/** Says where the metrics are, which matters when the port number was left to the system. */
export function tellMetrics(metrics: MetricsServer | undefined, output: Output): void {
  if (metrics === undefined) return;
  const { url, page } = metrics;
  output.record('metrics', { url }, `metrics on ${url}`);
  if (page !== undefined) output.record('page', { url: page }, `live page on ${page}`);
}
