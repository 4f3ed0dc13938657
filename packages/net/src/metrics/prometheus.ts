import { queueCounterNames, queueEventNames } from '../stats.ts';

/** Whatever has counters: a port, or a device of the backend library. */
export interface Measured {
  /** All counters, by name. */
  stats(): Readonly<Record<string, number>>;
  /** Of a port: whether the backend is there. */
  readonly link?: { readonly up: boolean };
  /** Of a port: its buffers. */
  readonly pool?: { readonly free: number; readonly count: number };
}

/** The media type of what `prometheusText` gives. */
export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8';

interface Family {
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly samples: string[];
}

const eventHelp: Readonly<Record<string, string>> = {
  kicks: 'Notifications sent to the device.',
  calls: 'Interrupts received from the device.',
  guest_notifications: 'Interrupts sent to the driver.',
  empty_polls: 'Polls that found nothing.',
  starved_refills: 'Times a receive ring had room and the pool no buffer.',
  full_rings: 'Bursts that did not find room for all their packets.',
  lost_packets: 'Packets that were on the ring when the device went away.',
  dropped_length_packets: 'Packets dropped: of a length no buffer has.',
  dropped_header_packets: 'Packets dropped: their virtio-net header makes no sense.',
  dropped_oversize_packets: 'Packets dropped: over the MTU.',
  dropped_headroom_packets: 'Packets dropped: no room in front of the data for a VLAN tag.',
  dropped_no_room_packets: 'Packets dropped: no buffer of the driver, or no ring, can hold them.',
  dropped_stopped_packets: 'Packets dropped: they came while the queue was stopped, or the ring disabled.',
} satisfies Record<(typeof queueEventNames)[number] | 'guest_notifications', string>;
const dpdkNames = new Set<string>(queueCounterNames);

/**
 * The counters of ports and devices in Prometheus' text format (version 0.0.4): `rx_q0_good_packets` becomes
 * `vio_rx_good_packets_total{port="NAME",queue="0"}`; and gauges of the link and of the pool where there are any.
 * @param measured by name, which becomes the label `port`
 */
export function prometheusText(measured: Readonly<Record<string, Measured>>): string {
  const families = new Map<string, Family>();
  for (const [port, device] of Object.entries(measured)) {
    for (const [name, value] of Object.entries(device.stats())) {
      const [, direction, queue, counter] = /^([rt]x)_q(\d+)_(\w+)$/.exec(name) ?? [];
      if (direction === undefined || queue === undefined || counter === undefined) {
        add(families, `vio_${name}_total`, 'counter', portHelp[name] ?? name, { port }, value);
      } else {
        add(
          families,
          `vio_${direction}_${counter}_total`,
          'counter',
          help(direction, counter),
          { port, queue },
          value,
        );
      }
    }
    const { link, pool } = device;
    if (link !== undefined) {
      add(families, 'vio_link_up', 'gauge', '1 while the backend is there.', { port }, link.up ? 1 : 0);
    }
    if (pool !== undefined) {
      add(
        families,
        'vio_pool_free_buffers',
        'gauge',
        'Buffers that are on no ring and in no hands.',
        { port },
        pool.free,
      );
      add(families, 'vio_pool_buffers', 'gauge', 'Buffers of the pool.', { port }, pool.count);
    }
  }
  return [...families].map(([name, family]) => exposition(name, family)).join('');
}

const portHelp: Readonly<Record<string, string>> = {
  reconnects: 'Times the backend came back.',
  reconnects_resumed: 'Times the backend came back and went on where the old one had ended.',
};

function help(direction: string, counter: string): string {
  const what = eventHelp[counter] ?? (dpdkNames.has(counter) ? `DPDK's xstat ${counter}.` : counter);
  return `${direction === 'rx' ? 'Receive' : 'Transmit'} queue: ${what}`;
}

function add(
  families: Map<string, Family>,
  name: string,
  type: Family['type'],
  text: string,
  labels: Readonly<Record<string, string>>,
  value: number,
): void {
  let family = families.get(name);
  if (family === undefined) {
    family = { type, help: text, samples: [] };
    families.set(name, family);
  }
  const pairs = Object.entries(labels).map(([label, content]) => `${label}="${escapeLabel(content)}"`);
  family.samples.push(`${name}{${pairs.join(',')}} ${value}`);
}

/** All samples of a name stand together, behind its two comments, as the format wants it. */
function exposition(name: string, { type, help: text, samples }: Family): string {
  const described = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return `# HELP ${name} ${described}\n# TYPE ${name} ${type}\n${samples.join('\n')}\n`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
