import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnixListener } from '@vio/native';
import { VIRTIO_NET_F_MQ } from '@vio/net';
import { VIRTIO_F_VERSION_1 } from '@vio/rings';
import {
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_STATUS,
} from '@vio/vhost';
import { type BackendScript, ScriptedBackend } from '@vio/vhost/testing';
import type { VirtioUserOptions } from '../config/config.ts';
import type { OpenOptions } from '../config/open-options.ts';
import { openVirtioUser } from '../open.ts';
import type { VirtioUserPort } from '../virtio-user-port.ts';

/** Protocol features of a backend that acknowledges everything and knows a device status. */
export const allProtocolFeatures =
  VHOST_USER_PROTOCOL_F_MQ | VHOST_USER_PROTOCOL_F_REPLY_ACK | VHOST_USER_PROTOCOL_F_STATUS;

const usual: BackendScript = {
  features: VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MQ,
  protocolFeatures: allProtocolFeatures,
  queuePairs: 8,
};

/** A scripted backend that listens on a socket of its own, for one connection after the other. */
export class ListeningBackend implements AsyncDisposable {
  readonly path: string;
  readonly backends: ScriptedBackend[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), 'vio-user-'));
  readonly #listener: UnixListener;
  readonly #script: BackendScript;
  readonly #accepting: Promise<void>;
  readonly #ports: VirtioUserPort[] = [];

  /** @param script read anew for every connection */
  constructor(script: BackendScript = {}) {
    this.path = join(this.#directory, 'vhost.sock');
    this.#listener = UnixListener.listen(this.path);
    this.#script = script;
    this.#accepting = this.#accept();
  }

  /** What the last connection has asked, as `SET_VRING_NUM 0 256`. */
  get asked(): string[] {
    return (this.backends.at(-1)?.seen ?? []).map(({ name, payload }) => {
      if (typeof payload !== 'object' || payload === null || !('index' in payload)) return name;
      return 'value' in payload
        ? `${name} ${String(payload.index)} ${String(payload.value)}`
        : `${name} ${String(payload.index)}`;
    });
  }

  /** A port on this backend, closed before it. */
  async open(
    devargs: Omit<VirtioUserOptions, 'path'> = {},
    options: OpenOptions = {},
  ): Promise<VirtioUserPort> {
    const port = await openVirtioUser({ path: this.path, ...devargs }, options);
    this.#ports.push(port);
    return port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const port of this.#ports) await port.close();
    this.#listener.close();
    await this.#accepting;
    for (const backend of this.backends) backend.close();
    rmSync(this.#directory, { recursive: true });
  }

  async #accept(): Promise<void> {
    try {
      for (;;) {
        const stream = await this.#listener.accept();
        this.backends.push(new ScriptedBackend(stream, { ...usual, ...this.#script }));
      }
    } catch {
      // Closed: that is the end of it.
    }
  }
}
