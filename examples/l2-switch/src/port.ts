// A port of the switch: a frontend that is connected, and what it has sent and not got rid of yet.
import { PacketBurst } from '@vio/net';
import { ReceiveSteering, type VhostDevice } from '@vio/vhost';

const burstSize = 32;

/** Frames a port has sent on one queue pair, and where each of them goes. */
export class Lane {
  readonly burst = new PacketBurst(burstSize, { offloads: true });
  /** By frame: its port; the port it came from keeps it to itself, undefined goes to all others. */
  readonly to: (SwitchPort | undefined)[] = [];
  /** By frame: the receive ring of that port. */
  readonly ring = new Int32Array(burstSize);
  /** Frames in front of this one are dealt with. */
  at = 0;
  /** The first frame that is not: how often its ring was full, and when that is tried again. */
  tries = 0;
  due = 0;

  /** True when something waits for room. */
  get waits(): boolean {
    return this.at < this.burst.count;
  }
}

/** Counted in frames. */
export interface PortCounts {
  /** Sent by the port. */
  sent: number;
  /** Received by it; a packet of 64 KiB is one. */
  received: number;
  /** For this port, but its receive queue stayed full. */
  dropped: number;
  /** How often its receive queue was tried again. */
  retries: number;
}

export class SwitchPort {
  readonly name: string;
  readonly uplink: boolean;
  readonly device: VhostDevice;
  readonly steering: ReceiveSteering;
  readonly counts: PortCounts = { sent: 0, received: 0, dropped: 0, retries: 0 };
  readonly #lanes: Lane[] = [];
  /** The device stops, or has stopped: nothing can be given to it. */
  gone = false;

  constructor(name: string, device: VhostDevice, uplink: boolean) {
    this.name = name;
    this.device = device;
    this.uplink = uplink;
    this.steering = new ReceiveSteering(device);
  }

  /** @param pair a queue pair of the device */
  lane(pair: number): Lane {
    while (this.#lanes.length <= pair) this.#lanes.push(new Lane());
    return this.#lanes[pair];
  }

  /** Those that have been used. */
  get lanes(): readonly Lane[] {
    return this.#lanes;
  }
}
