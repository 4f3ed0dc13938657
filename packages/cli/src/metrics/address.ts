import { isIPv6 } from 'node:net';

/** Where a metrics server listens: a TCP port of one address, or a Unix socket. */
export type MetricsAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * Understands `9100` and `:9100` (this machine only), `HOST:PORT`, `[IPV6]:PORT` and `/path/of.sock`; undefined for all else.
 */
export function parseMetricsAddress(text: string): MetricsAddress | undefined {
  if (text.startsWith('/')) return { path: text };
  const match = /^(?:(?:\[([^\]]+)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const [, ipv6, name, digits] = match;
  const port = Number(digits);
  if (port > 65_535 || (ipv6 !== undefined && !isIPv6(ipv6))) return undefined;
  return { host: ipv6 ?? (name === undefined || name === '' ? '127.0.0.1' : name), port };
}
