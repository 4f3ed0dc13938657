import type { PortConfig } from '../config/schema.ts';
import type { Bridge } from '../fabric/bridge.ts';
import type { Link } from '../fabric/link.ts';
import type { Polled } from '../fabric/rounds.ts';
import { StormLimit } from '../fabric/storm-limit.ts';
import { SwitchPort, usualRules } from '../fabric/switch-port.ts';
import { vlanRules } from '../fabric/vlan-rules.ts';
import type { Endpoint, EndpointListener, PortState } from './endpoint.ts';
import type { Fabric } from './fabric.ts';

/** A port on its thread, with all that belongs to it there: its rules, its bridge, its other end. */
export class ManagedPort implements Polled, EndpointListener {
  readonly port: SwitchPort;
  readonly bridge: Bridge;
  /** Set by who makes it, before it is started. */
  endpoint: Endpoint | undefined;
  idle = -1;
  readonly #fabric: Fabric;
  readonly #onChange: () => void;
  readonly #onTrouble: EndpointListener['trouble'];

  /** @param onChange somebody has come, or has gone */
  constructor(
    config: PortConfig,
    parts: { number: number; bridge: Bridge; fabric: Fabric; counters: Float64Array },
    listener: { onChange: () => void; onTrouble: EndpointListener['trouble'] },
  ) {
    this.port = new SwitchPort(parts.number, config.name, parts.counters);
    this.bridge = parts.bridge;
    this.#fabric = parts.fabric;
    this.#onChange = listener.onChange;
    this.#onTrouble = listener.onTrouble;
    this.applyRules(config);
  }

  get connected(): boolean {
    return this.port.link !== undefined;
  }

  get state(): PortState {
    return this.connected ? 'up' : (this.endpoint?.absence ?? 'waiting');
  }

  /** Takes over the VLANs and limits of a configuration that is otherwise the same. */
  applyRules(config: PortConfig): void {
    this.port.rules = {
      vlans: vlanRules(config.vlan),
      mtu: config.mtu ?? usualRules.mtu,
      storm: new StormLimit(config.stormLimit),
    };
  }

  poll(now: number): number {
    const { link } = this.port;
    if (link === undefined) return 0;
    const { pool, burst } = this.#fabric;
    let frames = 0;
    for (let queue = 0; queue < link.queues; queue++) {
      const count = link.receive(queue, pool, burst);
      if (count === 0) continue;
      this.bridge.forward(this.port, burst, now);
      burst.release();
      frames += count;
    }
    return frames;
  }

  sleep(): boolean {
    return this.port.link?.arm() ?? false;
  }

  wake(): void {
    if (this.port.link === undefined || this.idle !== -1) return;
    this.port.link.disarm();
    this.#fabric.rounds.wake(this);
  }

  linkChanged(link: Link | undefined): void {
    this.#fabric.rounds.remove(this);
    this.port.link = link;
    this.bridge.left(this.port);
    if (link !== undefined) this.#fabric.rounds.wake(this);
    this.#onChange();
  }

  trouble(what: string, reason: { readonly code: string; readonly message: string }): void {
    this.#onTrouble(what, reason);
  }
}
