import { type OptionNames, checkOptions } from '@vio/native/internal';
import { dumpPacked } from './packed-dump.ts';
import type { ChainDump, DescriptorDump, DumpOptions, EventDump, RingDump } from './ring-dump.ts';
import type { RingView } from './ring-view.ts';
import { dumpSplit } from './split-dump.ts';

const optionNames: OptionNames<DumpOptions> = { limit: true };

/**
 * A ring as it is at this moment: indexes, events, buffers in flight with their descriptors, what the device wrote. Only
 * reads, trusts nothing it reads, and works on a broken ring, which is when it is wanted most. The other side goes on
 * meanwhile, so numbers of a busy ring need not agree with each other.
 * @throws VioError VIO_OPTION_UNKNOWN
 */
export function dumpRing(view: RingView, options: DumpOptions = {}): RingDump {
  checkOptions('a dump of rings', options, optionNames);
  const { limit = 16 } = options;
  return view.format === 'split' ? dumpSplit(view, limit) : dumpPacked(view, limit);
}

/** The same for a person, several lines. @param name of the ring, at the beginning */
export function ringDumpText(name: string, dump: RingDump): string {
  const indexes =
    dump.availableIndex === undefined
      ? ''
      : `, available index ${dump.availableIndex}, used index ${String(dump.usedIndex)}`;
  const more = dump.inFlight - dump.listed.length;
  return [
    `${name}: ${dump.format}, ${dump.size} descriptors${indexes}, ${dump.inFlight} in flight`,
    ...(dump.broken === undefined ? [] : [`  broken: ${dump.broken.detail} (${dump.broken.code})`]),
    `  the driver's interrupts: ${events(dump.driverEvents)}`,
    `  the device's kicks: ${events(dump.deviceEvents)}`,
    ...dump.listed.flatMap(chainLines),
    ...(more > 0 ? [`  and ${more} more in flight`] : []),
    ...dump.used.map(({ slot, id, length }) => `  used in slot ${slot}: id ${id}, ${length} bytes written`),
  ].join('\n');
}

function events({ flags, meaning, event, wrap }: EventDump): string {
  if (event === undefined) return `${meaning} (flags ${flags})`;
  return `${meaning} ${event}${wrap === undefined ? '' : `, wrap ${wrap}`} (flags ${flags})`;
}

function chainLines({ head, descriptors, indirect, more, wrong }: ChainDump): string[] {
  return [
    `  in flight ${head}: ${descriptors.map(descriptor).join(', ')}${wrong === undefined ? '' : `: ${wrong}`}`,
    ...(indirect ?? []).map((entry) => `    indirect ${descriptor(entry)}`),
    ...(more === undefined ? [] : [`    and ${more} more descriptors`]),
  ];
}

function descriptor({ slot, address, length, flags }: DescriptorDump): string {
  return `[${slot}] ${address} ${length} bytes${flags.length === 0 ? '' : ` ${flags.join(' ')}`}`;
}
