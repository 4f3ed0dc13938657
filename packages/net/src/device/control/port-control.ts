import type { WaitOptions } from '@vio/native';
import type { ControlChannel } from '../../control/control-channel.ts';
import { NetControl, type QueuePairsListener } from '../../control/net-control.ts';
import { VIRTIO_NET_F_CTRL_MAC_ADDR } from '../../feature-bits.ts';
import type { RssLimits } from '../../rss/hash-types.ts';
import type { NetDevice } from '../net-device.ts';
import type { ControlRing } from './control-ring.ts';

/**
 * Where a port's commands go: nowhere (`none`), to whoever takes the place of a control queue (`emulated`), to a ring of the
 * port's that is the device's control queue (`ring`), or to a control queue that the transport drives (`device`).
 */
export type ControlRoute = 'none' | 'emulated' | 'ring' | 'device';

export interface PortControlOptions {
  readonly route: ControlRoute;
  readonly features: bigint;
  readonly queues: number;
  /** Of `ring`. */
  readonly ring: ControlRing | undefined;
  /** What the device says it can do. */
  readonly rss: RssLimits | undefined;
  /** The address the device has by itself. */
  readonly ownMac: string | undefined;
  /** Told of changes of the queue pairs. */
  readonly listener: QueuePairsListener;
}

/** A port's way to its device's control queue, over several lives of the device. */
export class PortControl implements Disposable {
  /** What the port gives to its users. */
  readonly commands: NetControl;
  readonly ring: ControlRing | undefined;
  readonly #options: PortControlOptions;

  constructor(options: PortControlOptions) {
    const { route, features, queues, rss, listener } = options;
    this.#options = options;
    this.ring = options.ring;
    this.commands = new NetControl({
      features,
      channel: undefined,
      maxPairs: queues,
      filters: route !== 'emulated',
      rss,
      // A device with a control queue begins with one pair; the others have those that are enabled.
      queuePairs: route === 'ring' ? 1 : queues,
      onQueuePairs: listener,
    });
  }

  /** Once the device runs: it gets the commands of its earlier life, or learns what a port begins with. */
  async begin(device: NetDevice, mac: string, wait: WaitOptions): Promise<void> {
    const { route, features, queues, ownMac } = this.#options;
    const first = !this.commands.connected;
    await this.commands.restart(this.#channel(device), wait);
    if (!first || route !== 'ring') return;
    if (mac !== ownMac && (features & VIRTIO_NET_F_CTRL_MAC_ADDR) !== 0n)
      await this.commands.setMac(mac, wait);
    if (queues > 1) await this.commands.setQueuePairs(queues, wait);
  }

  /** The device has ended: whoever waits for an answer is told so. */
  end(): void {
    this.ring?.queue.close();
  }

  [Symbol.dispose](): void {
    this.ring?.[Symbol.dispose]();
  }

  #channel({ control }: NetDevice): ControlChannel | undefined {
    switch (this.#options.route) {
      case 'none':
        return undefined;
      case 'emulated':
        return control?.substitute?.(this.#options.queues);
      case 'ring':
        return this.ring?.queue;
      case 'device':
        return control?.queue?.channel?.();
    }
  }
}
