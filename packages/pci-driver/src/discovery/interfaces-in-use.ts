import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/**
 * Network interfaces whose loss may cut the machine off: a route leads through them, or they are up with an address.
 * What every interface has by itself, link-local addresses and the routes to those, does not count.
 */
export function interfacesInUse(): Set<string> {
  const names = [
    ...routedByIpv4(textOf('/proc/net/route')),
    ...routedByIpv6(textOf('/proc/net/ipv6_route')),
    ...Object.entries(networkInterfaces())
      .filter(([, addresses]) => addresses?.some(({ address }) => !isLinkLocal(address)))
      .map(([name]) => name),
  ];
  return new Set(names);
}

/** @param table as /proc/net/route: name, destination and gateway as hexadecimal words of this machine's order, ... */
export function routedByIpv4(table: string): string[] {
  return rows(table, '\t')
    .slice(1)
    .filter(([name = '', destination = '']) => name !== '' && !destination.endsWith('FEA9'))
    .map(([name = '']) => name);
}

/** @param table as /proc/net/ipv6_route: destination, prefix length, source, prefix length, next hop, ..., name */
export function routedByIpv6(table: string): string[] {
  return rows(table, /\s+/)
    .filter(([destination = '']) => /^[0-9a-f]{32}$/.test(destination) && !/^f(e[89ab]|f)/.test(destination))
    .map((row) => row.at(-1) ?? '')
    .filter((name) => name !== 'lo');
}

const isLinkLocal = (address: string): boolean => /^(169\.254\.|fe[89ab][0-9a-f]:|127\.|::1$)/i.test(address);

function rows(table: string, separator: string | RegExp): string[][] {
  return table.split('\n').map((line) => line.trim().split(separator));
}

/** Empty where this kernel has no such file: it lacks the protocol. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
