/** An interface as results have it; 1.1 has MTU and socket as well. */
export interface ResultInterface {
  readonly name: string;
  readonly mac?: string;
  readonly mtu?: number;
  readonly sandbox?: string;
  readonly socketPath?: string;
}

/** What a plugin has done, as the next one is told. */
export interface CniResult {
  readonly cniVersion?: string;
  readonly interfaces?: readonly ResultInterface[];
  readonly ips?: readonly Readonly<Record<string, unknown>>[];
  readonly routes?: readonly unknown[];
  readonly dns?: unknown;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether another plugin's answer has the form of one, as far as it is looked at here. Some say null for what there is not. */
export function isResult(value: unknown): value is CniResult {
  if (!isRecord(value)) return false;
  const isList = (list: unknown, fits: (one: unknown) => boolean): boolean =>
    Array.isArray(list ?? []) && ((list ?? []) as unknown[]).every(fits);
  const isInterface = (one: unknown): boolean =>
    isRecord(one) &&
    typeof one['name'] === 'string' &&
    (one['mac'] === undefined || typeof one['mac'] === 'string');
  return (
    isList(value['interfaces'], isInterface) &&
    isList(value['ips'], isRecord) &&
    isList(value['routes'], isRecord) &&
    isRecord(value['dns'] ?? {})
  );
}

/** What was made, in the words of the conf's version, behind what plugins before this one have made. */
export function resultOf(
  conf: {
    readonly cniVersion: string;
    readonly mtu: number | undefined;
    readonly prevResult: CniResult | undefined;
  },
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
