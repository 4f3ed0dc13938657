import {
  type HashConfig,
  HASH_REPORT_IPv4,
  HASH_REPORT_IPv6,
  HASH_REPORT_NONE,
  HASH_REPORT_TCPv4,
  HASH_REPORT_TCPv6,
  HASH_REPORT_UDPv4,
  HASH_REPORT_UDPv6,
} from './hash-types.ts';
import { protocolTcp } from '../packet-headers.ts';
import { PacketFlow } from './packet-flow.ts';
import { Toeplitz } from './toeplitz.ts';

const ipv4Pair = 8;
const ipv6Pair = 32;
const portPair = 4;

/** Hashes packets as a device with RSS or hash reports does (virtio 1.4, section 5.1.9.4.3). Allocates nothing. */
export class PacketHasher {
  /** HASH_REPORT_* of the packet hashed last; NONE: it has no hash. */
  report: number = HASH_REPORT_NONE;
  /** Its hash, as a signed 32-bit number; 0 when it has none. */
  value = 0;
  readonly #types: number;
  readonly #toeplitz: Toeplitz;
  readonly #flow = new PacketFlow();

  constructor({ hashTypes, key }: HashConfig) {
    this.#types = hashTypes;
    this.#toeplitz = new Toeplitz(key);
  }

  /** The VLAN of the packet hashed last; -1: it has none. */
  get vlan(): number {
    return this.#flow.vlan;
  }

  /** Hashes a frame of `bytes` bytes at `at`; its headers are in one piece. @returns true if it has a hash */
  hash(u8: Uint8Array, at: number, bytes: number): boolean {
    const flow = this.#flow;
    flow.read(u8, at, bytes);
    this.report = this.#choose(flow);
    this.value = 0;
    if (this.report === HASH_REPORT_NONE) return false;
    const { input } = this.#toeplitz;
    const addresses = flow.version === 4 ? ipv4Pair : ipv6Pair;
    const { addressAt, portsAt } = flow;
    for (let i = 0; i < addresses; i++) input[i] = u8[addressAt + i];
    let hashed = addresses;
    if (this.report !== HASH_REPORT_IPv4 && this.report !== HASH_REPORT_IPv6) {
      for (let i = 0; i < portPair; i++) input[addresses + i] = u8[portsAt + i];
      hashed += portPair;
    }
    this.value = this.#toeplitz.hash(hashed);
    return true;
  }

  /** The first type that is enabled and fits: with ports before without. */
  #choose({ version, portsAt, protocol }: PacketFlow): number {
    if (version === 0) return HASH_REPORT_NONE;
    const four = version === 4;
    if (portsAt !== -1) {
      const tcp = protocol === protocolTcp;
      const report = four
        ? tcp
          ? HASH_REPORT_TCPv4
          : HASH_REPORT_UDPv4
        : tcp
          ? HASH_REPORT_TCPv6
          : HASH_REPORT_UDPv6;
      if (this.#enabled(report)) return report;
    }
    const report = four ? HASH_REPORT_IPv4 : HASH_REPORT_IPv6;
    return this.#enabled(report) ? report : HASH_REPORT_NONE;
  }

  #enabled(report: number): boolean {
    return (this.#types & (1 << (report - 1))) !== 0;
  }
}
