import type { CniResult, Conf } from './conf.ts';

/** What was made, in the words of the conf's version, behind what plugins before this one have made. */
export function resultOf(
  conf: Conf,
  made: {
    readonly name: string;
    readonly mac: string;
    readonly sandbox: string;
    readonly socketPath: string;
  },
  ipam: CniResult | undefined,
): CniResult {
  const before = conf.prevResult ?? {};
  const { name, mac, sandbox, socketPath } = made;
  const interfaces = [
    ...(before.interfaces ?? []),
    {
      name,
      mac,
      sandbox,
      // What 1.1 has and the others have no word for.
      ...(conf.cniVersion === '1.1.0'
        ? { socketPath, ...(conf.mtu === undefined ? {} : { mtu: conf.mtu }) }
        : {}),
    },
  ];
  const index = interfaces.length - 1;
  const ips = [...(before.ips ?? []), ...(ipam?.ips ?? []).map((ip) => ({ ...ip, interface: index }))];
  const routes = [...(before.routes ?? []), ...(ipam?.routes ?? [])];
  const dns = ipam?.dns ?? before.dns;
  return {
    ...before,
    cniVersion: conf.cniVersion,
    interfaces,
    ...(ips.length === 0 ? {} : { ips }),
    ...(routes.length === 0 ? {} : { routes }),
    ...(dns === undefined ? {} : { dns }),
  };
}
