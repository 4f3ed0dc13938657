import type { UnixListener } from '@vio/native';
import { DevicePort } from '@vio/net';
import type { DevicePortParts } from '@vio/net/internal';
import type { VirtioUserConfig } from './config/config.ts';

/** A virtio-net port on a vhost backend. Made by `openVirtioUser`; everything it holds goes with `close`. */
export class VirtioUserPort extends DevicePort {
  /** What the port was opened with. */
  readonly config: VirtioUserConfig;
  readonly #listener: UnixListener | undefined;

  /** @internal Made by `openVirtioUser`. */
  constructor(parts: DevicePortParts, config: VirtioUserConfig, listener: UnixListener | undefined) {
    super(parts);
    this.config = config;
    this.#listener = listener;
  }

  /** As of any port, and `reconnects`, `reconnects_resumed`. */
  override stats(): Record<string, number> {
    return { ...super.stats(), reconnects: this.reconnects, reconnects_resumed: this.resumed };
  }

  override async close(): Promise<void> {
    await super.close();
    this.#listener?.close();
  }
}
