// Where metrics are scraped and pages looked at. Nothing of HTTP is loaded here.

/** A port of one address. */
interface TcpAddress {
  /** As in `127.0.0.1`, `::1` or `localhost`. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** A Unix socket. */
interface SocketAddress {
  /** Of the socket. */
  readonly path: string;
}

/** Where a server listens. */
export type HttpAddress = TcpAddress | SocketAddress;

/** Where a server is, for a person. */
export interface HttpPlace {
  /** As in `http://127.0.0.1:9100`, or `unix:/run/vio.sock`. */
  readonly url: string;
  /** A browser reaches it by itself. */
  readonly browsable: boolean;
  /** The host as it was asked for, or the address; undefined: a Unix socket. */
  readonly host: string | undefined;
}

/**
 * Understands `9100` and `:9100` (this machine only), `HOST:PORT`, `[IPV6]:PORT` and `/path/of.sock`; undefined for all else.
 */
export function parseHttpAddress(text: string): HttpAddress | undefined {
  if (text.startsWith('/')) return { path: text };
  const match = /^(?:(?:\[([^\]]+)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const [, ipv6, name, digits] = match;
  const port = Number(digits);
  if (port > 65_535 || (ipv6 !== undefined && !isIPv6(ipv6))) return undefined;
  return { host: ipv6 ?? (name === undefined || name === '' ? '127.0.0.1' : name), port };
}

/** Node's own is in a module that who serves nothing does not load. An address of a link may name its interface behind a `%`. */
function isIPv6(text: string): boolean {
  return URL.canParse(`http://[${text.replace(/%[\w.-]+$/, '')}]/`);
}
