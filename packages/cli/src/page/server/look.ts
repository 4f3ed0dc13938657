import type { Telemetry, TelemetrySource } from '@vio/net';
import type { ListedPort, Look, PortLook } from '../shared/messages.ts';

type Observed = Telemetry['all'][number];

/** Ports that a browser can choose among. */
const mostPorts = 256;

/** Everything at this moment: the list of ports, and one of them in full. @param chosen its number; undefined: the first */
export function look(telemetry: Telemetry, chosen: number | undefined): Omit<Look, 'interval' | 'turns'> {
  const all = telemetry.all;
  const port = chosen === undefined ? all.at(0) : all.find(({ id }) => id === chosen);
  const ports = all.slice(0, mostPorts).map(listed);
  return {
    time: Date.now(),
    clock: performance.now(),
    ports,
    more: all.length - ports.length,
    ...(port === undefined ? {} : { port: inFull(port) }),
  };
}

function listed({ id, source }: Observed): ListedPort {
  return { id, name: source.name, kind: source.kind, up: source.link().status === 'UP' };
}

function inFull(port: Observed): PortLook {
  const { source } = port;
  const paths = pathsOf(source);
  return {
    ...listed(port),
    link: source.link(),
    info: source.info(),
    stats: source.stats(),
    rings: source.rings(),
    ...(paths === undefined ? {} : { paths }),
  };
}

function pathsOf(source: TelemetrySource): PortLook['paths'] {
  return source.paths?.() as PortLook['paths'];
}
