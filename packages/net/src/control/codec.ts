import {
  type ControlCommand,
  type RssConfig,
  mostQueuePairs,
  mostTableEntries,
  mostVlanId,
  rxModes,
} from './commands.ts';
import { isMulticast, macBytes, macFromBytes, macToBytes } from '../frames/mac-address.ts';
import type { HashConfig } from '../rss/hash-types.ts';

/** Classes and commands (virtio 1.4, section 5.1.9.5). */
const CTRL_RX = 0;
const CTRL_MAC = 1;
const CTRL_MAC_TABLE_SET = 0;
const CTRL_MAC_ADDR_SET = 1;
const CTRL_VLAN = 2;
const CTRL_VLAN_ADD = 0;
const CTRL_VLAN_DEL = 1;
const CTRL_ANNOUNCE = 3;
const CTRL_ANNOUNCE_ACK = 0;
const CTRL_MQ = 4;
const CTRL_MQ_VQ_PAIRS_SET = 0;
const CTRL_MQ_RSS_CONFIG = 1;
const CTRL_MQ_HASH_CONFIG = 2;
const CTRL_GUEST_OFFLOADS = 5;
const CTRL_GUEST_OFFLOADS_SET = 0;

/** A command as it travels: class and command number, then data. */
export interface EncodedCommand {
  /** Class of the command (5.1.9.5), one byte. */
  readonly class: number;
  /** Number of the command in its class, one byte. */
  readonly command: number;
  /** Pieces, each of which gets a descriptor of its own, as legacy devices expect of the two MAC tables. */
  readonly data: readonly Uint8Array[];
}

/** Encodes a command as a driver writes it (5.1.9.5): class, number and the bytes behind them. */
export function encodeCommand(command: ControlCommand): EncodedCommand {
  const encoded = (controlClass: number, number: number, ...data: Uint8Array[]): EncodedCommand => ({
    class: controlClass,
    command: number,
    data,
  });
  switch (command.kind) {
    case 'rx-mode':
      return encoded(CTRL_RX, rxModes.indexOf(command.mode), Uint8Array.of(command.on ? 1 : 0));
    case 'mac-table': {
      const { unicast, multicast } = command;
      return encoded(CTRL_MAC, CTRL_MAC_TABLE_SET, encodeMacs(unicast), encodeMacs(multicast));
    }
    case 'mac-address':
      return encoded(CTRL_MAC, CTRL_MAC_ADDR_SET, macToBytes(command.mac));
    case 'vlan-add':
      return encoded(CTRL_VLAN, CTRL_VLAN_ADD, le16(command.id));
    case 'vlan-remove':
      return encoded(CTRL_VLAN, CTRL_VLAN_DEL, le16(command.id));
    case 'announce-ack':
      return encoded(CTRL_ANNOUNCE, CTRL_ANNOUNCE_ACK);
    case 'queue-pairs':
      return encoded(CTRL_MQ, CTRL_MQ_VQ_PAIRS_SET, le16(command.pairs));
    case 'rss':
      return encoded(CTRL_MQ, CTRL_MQ_RSS_CONFIG, encodeRss(command.config));
    case 'hash':
      return encoded(CTRL_MQ, CTRL_MQ_HASH_CONFIG, encodeHash(command.config));
    case 'guest-offloads':
      return encoded(CTRL_GUEST_OFFLOADS, CTRL_GUEST_OFFLOADS_SET, le64(command.offloads));
  }
}

/**
 * Reads a command that a driver has written. Takes exactly the bytes a command has, but for those whose structure
 * in C ends with padding.
 * @param data the data of all pieces, one behind the other: a copy that nobody else can change
 * @returns undefined for what is no command
 */
export function decodeCommand(
  controlClass: number,
  command: number,
  data: Uint8Array,
): ControlCommand | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const bytes = data.length;
  switch (controlClass) {
    case CTRL_RX: {
      const mode = rxModes[command];
      if (mode === undefined || bytes !== 1 || data[0] > 1) return undefined;
      return { kind: 'rx-mode', mode, on: data[0] === 1 };
    }
    case CTRL_MAC:
      if (command === CTRL_MAC_TABLE_SET) return decodeMacTable(view, data);
      if (command !== CTRL_MAC_ADDR_SET || bytes !== macBytes) return undefined;
      return { kind: 'mac-address', mac: macFromBytes(data) };
    case CTRL_VLAN: {
      const kind =
        command === CTRL_VLAN_ADD ? 'vlan-add' : command === CTRL_VLAN_DEL ? 'vlan-remove' : undefined;
      if (kind === undefined || bytes !== 2 || view.getUint16(0, true) > mostVlanId) return undefined;
      return { kind, id: view.getUint16(0, true) };
    }
    case CTRL_ANNOUNCE:
      return command === CTRL_ANNOUNCE_ACK && bytes === 0 ? { kind: 'announce-ack' } : undefined;
    case CTRL_MQ:
      return decodeMultiqueue(command, view, data);
    case CTRL_GUEST_OFFLOADS:
      if (command !== CTRL_GUEST_OFFLOADS_SET || bytes !== 8) return undefined;
      return { kind: 'guest-offloads', offloads: view.getBigUint64(0, true) };
    default:
      return undefined;
  }
}

function decodeMultiqueue(command: number, view: DataView, data: Uint8Array): ControlCommand | undefined {
  switch (command) {
    case CTRL_MQ_VQ_PAIRS_SET: {
      if (data.length !== 2) return undefined;
      const pairs = view.getUint16(0, true);
      return pairs >= 1 && pairs <= mostQueuePairs ? { kind: 'queue-pairs', pairs } : undefined;
    }
    case CTRL_MQ_RSS_CONFIG:
      return decodeRss(view, data);
    case CTRL_MQ_HASH_CONFIG:
      return decodeHash(view, data);
    default:
      return undefined;
  }
}

/** struct virtio_net_ctrl_mac: le32 entries, then the addresses. */
function encodeMacs(macs: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(4 + macs.length * macBytes);
  new DataView(bytes.buffer).setUint32(0, macs.length, true);
  for (const [i, mac] of macs.entries()) bytes.set(macToBytes(mac), 4 + i * macBytes);
  return bytes;
}

function decodeMacTable(view: DataView, data: Uint8Array): ControlCommand | undefined {
  const unicast = decodeMacs(view, data, 0);
  if (unicast === undefined) return undefined;
  const multicast = decodeMacs(view, data, unicast.end);
  if (multicast === undefined || multicast.end !== data.length) return undefined;
  if (unicast.macs.some(isMulticast) || !multicast.macs.every(isMulticast)) return undefined;
  return { kind: 'mac-table', unicast: unicast.macs, multicast: multicast.macs };
}

function decodeMacs(
  view: DataView,
  data: Uint8Array,
  at: number,
): { macs: string[]; end: number } | undefined {
  if (at + 4 > data.length) return undefined;
  const entries = view.getUint32(at, true);
  const end = at + 4 + entries * macBytes;
  if (end > data.length) return undefined;
  return {
    macs: Array.from({ length: entries }, (_, i) => macFromBytes(data, at + 4 + i * macBytes)),
    end,
  };
}

/** struct virtio_net_rss_config: the table is between the fixed fields and those behind it. */
function encodeRss({ hashTypes, table, unclassified, transmitQueues, key }: RssConfig): Uint8Array {
  const behind = 8 + 2 * table.length;
  const bytes = new Uint8Array(behind + 3 + key.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, hashTypes, true);
  view.setUint16(4, table.length - 1, true);
  view.setUint16(6, unclassified, true);
  for (const [i, queue] of table.entries()) view.setUint16(8 + 2 * i, queue, true);
  view.setUint16(behind, transmitQueues, true);
  bytes[behind + 2] = key.length;
  bytes.set(key, behind + 3);
  return bytes;
}

function decodeRss(view: DataView, data: Uint8Array): ControlCommand | undefined {
  if (data.length < 8) return undefined;
  const entries = view.getUint16(4, true) + 1;
  const behind = 8 + 2 * entries;
  if ((entries & (entries - 1)) !== 0 || entries > mostTableEntries || data.length < behind + 3)
    return undefined;
  const key = decodeKey(data, behind + 2);
  if (key === undefined) return undefined;
  const config = {
    hashTypes: view.getUint32(0, true),
    table: Array.from({ length: entries }, (_, i) => view.getUint16(8 + 2 * i, true)),
    unclassified: view.getUint16(6, true),
    transmitQueues: view.getUint16(behind, true),
    key,
  };
  // A receive queue's number has 15 bits, the one above is reserved.
  return [config.unclassified, ...config.table].some((queue) => queue > 0x7fff)
    ? undefined
    : { kind: 'rss', config };
}

/** struct virtio_net_hash_config: le32 types, 8 reserved bytes, then the key. */
function encodeHash({ hashTypes, key }: HashConfig): Uint8Array {
  const bytes = new Uint8Array(13 + key.length);
  new DataView(bytes.buffer).setUint32(0, hashTypes, true);
  bytes[12] = key.length;
  bytes.set(key, 13);
  return bytes;
}

function decodeHash(view: DataView, data: Uint8Array): ControlCommand | undefined {
  if (data.length < 13 || data.subarray(4, 12).some((byte) => byte !== 0)) return undefined;
  const key = decodeKey(data, 12);
  return key === undefined
    ? undefined
    : { kind: 'hash', config: { hashTypes: view.getUint32(0, true), key } };
}

/** Padding of at most three bytes follows: a compiler rounds these structures up. */
function decodeKey(data: Uint8Array, at: number): Uint8Array | undefined {
  const end = at + 1 + data[at];
  return end > data.length || data.length - end > 3 ? undefined : data.slice(at + 1, end);
}

function le16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >>> 8);
}

function le64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}
