import type { WaitOptions } from '@vio/native';
import type { ControlChannel, ControlCommand } from '@vio/net';
import { commandRefused } from '@vio/net/internal';
import type { VhostTransport } from '../transport.ts';

/**
 * A control queue for a backend that has none, as DPDK's virtio-user has it: queue pairs are enabled and disabled at the
 * backend; filters are accepted, and everything arrives as before, which a device is allowed to do (virtio 1.4, section
 * 5.1.9.5.1: unwanted packets could still arrive).
 */
export class EmulatedControl implements ControlChannel {
  readonly #transport: VhostTransport;
  readonly #maxPairs: number;
  #last: Promise<unknown> = Promise.resolve();

  constructor(transport: VhostTransport, maxPairs: number) {
    this.#transport = transport;
    this.#maxPairs = maxPairs;
  }

  execute(command: ControlCommand, wait: WaitOptions = {}): Promise<void> {
    const turn = this.#last.then(() => this.#perform(command, wait));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #perform(command: ControlCommand, wait: WaitOptions): Promise<void> {
    switch (command.kind) {
      case 'queue-pairs':
        return this.#enable(command.pairs, wait);
      case 'rx-mode':
      case 'mac-table':
      case 'mac-address':
      case 'vlan-add':
      case 'vlan-remove':
        return undefined;
      default:
        throw commandRefused(command);
    }
  }

  async #enable(pairs: number, wait: WaitOptions): Promise<void> {
    for (let ring = 0; ring < 2 * this.#maxPairs; ring++) {
      await this.#transport.setVringEnable(ring, ring < 2 * pairs, wait);
    }
  }
}
