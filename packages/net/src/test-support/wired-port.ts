import { VioError } from '@vio/native';
import { VIRTIO_NET_F_MRG_RXBUF } from '../feature-bits.ts';
import type { FrameRules } from '../frames/frame-rules.ts';
import { electPaths } from '../paths.ts';
import { Wire, type WireOptions, modern } from './wire.ts';
import { NetPort } from '../port/net-port.ts';

/** Why the link of a port is down: its backend has left. */
export const gone = new VioError('the backend went away', { code: 'VIO_TEST', remedy: 'none' });

/** A port over one wire for each queue pair; the tests play the devices. */
export class WiredPort extends NetPort implements Disposable {
  readonly wires: readonly Wire[];

  constructor(wires: readonly Wire[], rules: FrameRules = {}) {
    const [first] = wires;
    super({
      features: first.features,
      mac: '02:00:00:00:00:01',
      paths: electPaths({
        features: first.features,
        vectorized: false,
      }),
      region: first.region,
      pool: first.pool,
      rx: wires.map((wire) => wire.rx),
      tx: wires.map((wire) => wire.tx),
      rxCall: wires.map((wire) => wire.rxCall),
      rules,
    });
    this.wires = wires;
    for (const [queue, wire] of wires.entries()) {
      wire.onBroken = (direction, fault) => this.emit('broken', { direction, queue, fault });
      wire.rx.fill();
    }
  }

  /** The device delivers a frame to queue pair 0 and interrupts if it is asked to. */
  deliver(frame: Uint8Array): void {
    const [wire] = this.wires;
    wire.deliver(frame);
    if (wire.receiveq.callNeeded()) wire.rxCall.signal();
  }

  close(): void {
    this.end();
  }

  [Symbol.dispose](): void {
    this.end();
    for (const wire of this.wires) wire.rxCall.close();
  }
}

export function wiredPort(options: WireOptions = {}, pairs = 1): WiredPort {
  const features = options.features ?? modern | VIRTIO_NET_F_MRG_RXBUF;
  return new WiredPort(Wire.pairs(pairs, { ...options, features }), options.rules);
}
