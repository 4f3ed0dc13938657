import { PacketBurst } from '@vio/net';
import { readFrames } from '@vio/net/testing';
import type { ScriptedFrontend } from '../testing/index.ts';
import type { ServedDevice } from '../backend/device/served-device.ts';
import type { VhostDevice } from '../backend/device/vhost-device.ts';
import type { VhostDriverFlags } from '../backend/driver/driver-flags.ts';
import type { VhostDriver } from '../backend/driver/vhost-driver.ts';
import { TestBackend } from './test-backend.ts';
import { Guest, type GuestOptions, type Instead } from './guest.ts';
import { packet, packetPool, packetsOf, sendFrom, supply } from './packets.ts';

export interface PairOptions {
  /** What the driver is like, or the driver itself. */
  readonly guest?: GuestOptions | Guest;
  readonly flags?: VhostDriverFlags;
  /** Before a frontend connects. */
  readonly offer?: (driver: VhostDriver) => void;
  /** Default: all that are offered. */
  readonly protocolFeatures?: bigint;
  /** What is said in place of the usual messages. */
  readonly instead?: Instead;
}

/** A backend, and a driver whose frontend has said all it has to. `await using` it. */
export class Pair implements AsyncDisposable {
  readonly backend: TestBackend;
  readonly guest: Guest;
  readonly frontend: ScriptedFrontend;

  private constructor(backend: TestBackend, guest: Guest, frontend: ScriptedFrontend) {
    this.backend = backend;
    this.guest = guest;
    this.frontend = frontend;
  }

  static async start(options: PairOptions = {}): Promise<Pair> {
    const backend = await TestBackend.start(options.flags);
    options.offer?.(backend.driver);
    const guest = options.guest instanceof Guest ? options.guest : new Guest(options.guest);
    const frontend = await backend.connect(options.protocolFeatures);
    await guest.start(frontend, options.instead);
    return new Pair(backend, guest, frontend);
  }

  get device(): VhostDevice {
    return this.backend.device;
  }

  get served(): ServedDevice {
    return this.backend.served;
  }

  /** Delivers packets to ring 0. @returns how many were dealt with */
  send(...packets: Uint8Array[]): number {
    return this.device.enqueueBurst(0, packetsOf(packetPool(), ...packets));
  }

  /** Takes what the driver has sent on a ring. */
  receive(ring = 1): Uint8Array[] {
    const burst = new PacketBurst();
    this.device.dequeueBurst(ring, packetPool(), burst);
    return readFrames(burst);
  }

  /** Packets both ways through the first pair of a driver. @returns whether they arrive as they were */
  moves(guest: Guest, seed: number): boolean {
    const [rx, tx] = guest.rings;
    sendFrom(tx, packet(60, seed));
    const received = this.receive();
    tx.used();
    const address = supply(rx, 2048);
    this.send(packet(80, seed));
    rx.used();
    const same = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
      a !== undefined && Buffer.compare(a, b) === 0;
    return same(received[0], packet(60, seed)) && same(rx.memory.read(address + 12, 80), packet(80, seed));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend[Symbol.asyncDispose]();
    this.guest[Symbol.dispose]();
  }
}
