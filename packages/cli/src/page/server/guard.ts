import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/** What every answer says: nothing from elsewhere, nothing inline, in nobody's frame, kept nowhere. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

/** Why a request is refused. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
}

/**
 * Refuses what a page of somebody else makes a browser ask. A name that its owner lets lead here (DNS rebinding) is not one of
 * ours: addresses, `localhost`, what this machine is called, and the host that it was told to listen on.
 * @param host that it listens on; undefined: a Unix socket, which no browser reaches by itself
 */
export function refusal({ headers }: IncomingMessage, host: string | undefined): Refusal | undefined {
  if (headers['sec-fetch-site'] === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate') {
    return { status: 403, text: 'another site asks' };
  }
  if (host === undefined) return undefined;
  const asked = hostOf(headers.host);
  if (asked !== undefined && (isIP(asked) !== 0 || ownNames(host).has(asked))) return undefined;
  return {
    status: 421,
    text: 'this host name is not known here: ask by address or as localhost; a proxy sets the header Host so',
  };
}

function ownNames(host: string): ReadonlySet<string> {
  return new Set(['localhost', host.toLowerCase(), hostname().toLowerCase()]);
}

/** The name or address of a Host header, without its port; undefined when it is none. */
function hostOf(header: string | undefined): string | undefined {
  const [, ipv6, name] = /^(?:\[([\da-fA-F:.]+)\]|([\w.-]+))(?::\d{1,5})?$/.exec(header ?? '') ?? [];
  return ipv6 ?? name?.toLowerCase();
}
