import type { Registers } from '@vio/native';
import { pciError } from '../access/pci-errors.ts';

/** Where a structure is. */
export interface Place {
  /** Number of the BAR, 0 to 5. */
  readonly bar: number;
  /** Bytes from its start. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** What the capability list of a device says (virtio 1.4, 4.1.4). */
export interface Capabilities {
  /** The common configuration (virtio 1.4, 4.1.4.3); undefined: there is none. */
  readonly common: Place | undefined;
  /** Where queues are notified (4.1.4.4), with bytes from one queue's place to the next; undefined: nowhere. */
  readonly notify: (Place & { readonly multiplier: number }) | undefined;
  /** Where the reason of an interrupt is read (4.1.4.5); undefined: nowhere. */
  readonly isr: Place | undefined;
  /** The device's own configuration (4.1.4.6); undefined: there is none. */
  readonly device: Place | undefined;
  /** Offset in configuration space of the capability that opens a window into the BARs. */
  readonly window: number | undefined;
  /** Where the MSI-X table is; undefined: the device has none. */
  readonly msix: MsixCapability | undefined;
  /** Structures that cannot be used, and why. */
  readonly unusable: readonly string[];
}

export interface MsixCapability {
  /** Offset in configuration space. */
  readonly at: number;
  /** Vectors of the table. */
  readonly vectors: number;
}

const statusRegister = 0x06;
const STATUS_CAPABILITIES = 0x10;
const firstPointer = 0x34;
const firstCapability = 0x40;
const VENDOR = 0x09;
const MSIX = 0x11;

const COMMON = 1;
const NOTIFY = 2;
const ISR = 3;
const DEVICE = 4;
const WINDOW = 5;
const names: Readonly<Record<number, string>> = {
  [COMMON]: 'common configuration',
  [NOTIFY]: 'notification',
  [ISR]: 'ISR',
  [DEVICE]: 'device configuration',
};
/** Bytes that must be there for operation; what a feature adds is checked where it is used. */
const leastBytes: Readonly<Record<number, number>> = { [COMMON]: 0x38, [NOTIFY]: 2, [ISR]: 1, [DEVICE]: 1 };

/**
 * Walks the list. The first usable structure of each type counts; reserved types and BARs are ignored, longer
 * structures accepted. Nothing is written.
 * @param barSize bytes of a BAR, 0 for none
 * @throws VioError VIO_PCI_CAPABILITIES when the list itself is broken
 */
export function readCapabilities(config: Registers, barSize: (index: number) => number): Capabilities {
  const places = new Map<number, Place & { readonly at: number }>();
  const unusable: string[] = [];
  let window: number | undefined;
  let msix: MsixCapability | undefined;
  for (const at of capabilityOffsets(config)) {
    const id = config.read(at, 1);
    if (id === MSIX) msix ??= { at, vectors: (config.read(at + 2, 2) & 0x7ff) + 1 };
    if (id !== VENDOR) continue;
    const type = config.read(at + 3, 1);
    if (type === WINDOW) window ??= at;
    const name = names[type];
    if (name === undefined || places.has(type)) continue;
    const bar = config.read(at + 4, 1);
    if (bar > 5) continue;
    const place = { at, bar, offset: config.read(at + 8, 4), length: config.read(at + 12, 4) };
    const reason = against(place, barSize(bar), leastBytes[type], config.read(at + 2, 1), type);
    if (reason === undefined) places.set(type, place);
    else unusable.push(`${name}: ${reason}`);
  }
  const notify = places.get(NOTIFY);
  return {
    common: places.get(COMMON),
    notify: notify === undefined ? undefined : { ...notify, multiplier: config.read(notify.at + 16, 4) },
    isr: places.get(ISR),
    device: places.get(DEVICE),
    window,
    msix,
    unusable,
  };
}

/** Whether MSI-X is switched on. */
export function msixEnabled(config: Registers, { at }: MsixCapability): boolean {
  return (config.read(at + 2, 2) & 0x8000) !== 0;
}

/** What speaks against a structure, or undefined. */
function against(
  place: Place,
  barBytes: number,
  least: number,
  capBytes: number,
  type: number,
): string | undefined {
  const { bar, offset, length } = place;
  if (capBytes < (type === NOTIFY ? 20 : 16)) return `its capability is only ${capBytes} bytes long`;
  if (barBytes === 0) return `the device has no BAR ${bar}`;
  if (offset + length > barBytes)
    return `${length} bytes at ${offset} reach out of the ${barBytes} of BAR ${bar}`;
  if (length < least) return `${length} bytes are less than the ${least} it needs`;
  if (offset % (type === NOTIFY ? 2 : type === ISR ? 1 : 4) !== 0) return `offset ${offset} is not aligned`;
  return undefined;
}

/** Offsets of all capabilities in configuration space, in the device's order. */
function capabilityOffsets(config: Registers): number[] {
  if ((config.read(statusRegister, 2) & STATUS_CAPABILITIES) === 0) return [];
  const found: number[] = [];
  for (let at = config.read(firstPointer, 1) & ~3; at !== 0; at = config.read(at + 1, 1) & ~3) {
    if (at < firstCapability || at + 4 > config.size) throw broken(`it points to ${at}`);
    if (found.includes(at)) throw broken(`it comes back to ${at}`);
    found.push(at);
  }
  return found;
}

function broken(why: string) {
  return pciError(
    'VIO_PCI_CAPABILITIES',
    `the capability list of the device is broken: ${why}`,
    'the device is broken, or gone: look at it with lspci -vvv',
  );
}
