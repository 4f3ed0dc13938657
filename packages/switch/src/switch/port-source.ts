import type { TelemetrySource } from '@vio/net';
import { counterRecord } from '../fabric/port-counters.ts';
import type { TablePort } from './table-port.ts';
import { portView } from './views.ts';

/** A port of a switch, as telemetry sees it. */
export function switchPortSource(port: TablePort): TelemetrySource {
  return {
    name: port.name,
    kind: 'switch port',
    info: () => {
      const { bridge, origin, link } = portView(port);
      return { bridge, origin, ...link };
    },
    stats: () => portStats(port),
    rings: () => port.rings(),
    link: () => ({ status: port.connected ? 'UP' : 'DOWN' }),
    memory: () => ({}),
    dump: () => port.dump(),
  };
}

/** What the switch counts at a port, and what its link counts. */
export function portStats(port: TablePort): Record<string, number> {
  const counted = Object.entries(counterRecord(port.counters));
  const own = Object.fromEntries(counted.map(([name, value]) => [`switch_${name}`, value]));
  return { ...own, ...port.stats() };
}
