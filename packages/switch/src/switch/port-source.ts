import type { TelemetrySource } from '@vio/net';
import { counterRecord } from '../fabric/port-counters.ts';
import type { ManagedPort } from '../ports/managed-port.ts';
import { portView } from './views.ts';

/** A port of a switch, as telemetry sees it. */
export function switchPortSource(managed: ManagedPort): TelemetrySource {
  const { port } = managed;
  return {
    name: port.name,
    kind: 'switch port',
    info: () => {
      const { bridge, origin, link } = portView(managed);
      return { bridge, origin, ...link };
    },
    stats: () => portStats(managed),
    rings: () => port.link?.rings?.() ?? [],
    link: () => ({ status: managed.connected ? 'UP' : 'DOWN' }),
    memory: () => ({}),
    dump: () => port.link?.dump?.() ?? [],
  };
}

/** What the switch counts at a port, and what its link counts. */
export function portStats({ port }: ManagedPort): Record<string, number> {
  const counted = Object.entries(counterRecord(port.counters));
  const own = Object.fromEntries(counted.map(([name, value]) => [`switch_${name}`, value]));
  return { ...own, ...port.link?.stats() };
}
