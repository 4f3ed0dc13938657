import { Capture, type PacketBurst, type PortCaptureOptions, VIRTIO_NET_F_GUEST_ANNOUNCE } from '@vio/net';
import { type BurstTap, showTo, watchedQueues } from '@vio/net/internal';
import { type BufferPool, type RingFormat, ringFeatures } from '@vio/rings';
import { VHOST_USER_PROTOCOL_F_REPLY_ACK } from '../../wire/index.ts';
import { AsyncDevice } from './async-device.ts';
import { DeviceTaps } from './device-taps.ts';
import { ownEntries } from './own-entries.ts';
import type { DequeuePath } from '../packets/dequeue.ts';
import type { RawVring } from '../raw/raw-vring.ts';
import type { ServedDevice } from './served-device.ts';
import { type UntilDevicePacketsOptions, untilPackets } from './until-packets.ts';
import { vhostError } from '../errors/vhost-error.ts';
import { type VringBase, fromBase } from '../vring/vring-info.ts';

/** The side of a device that its handlers change. */
export let servedSide: (device: VhostDevice) => ServedDevice;

/**
 * One connected frontend: its features, settings and counters, and the bursts in and out of its rings. Rings are numbered as
 * the driver does: even ones are its receive queues (`enqueueBurst`), odd ones its transmit queues (`dequeueBurst`). Its
 * frontend builds it up and takes it down; of that, only `setVringBase` changes anything here.
 */
export class VhostDevice extends AsyncDevice {
  readonly #served: ServedDevice;

  static {
    servedSide = (device) => device.#served;
  }

  /** @internal Made by `VhostDriver`, one for each frontend. */
  constructor(served: ServedDevice) {
    super(served);
    this.#served = served;
  }

  /** A ring of a device that is no network card, to be served by the application; undefined: messages have not named it. */
  rawVring(index: number): RawVring | undefined {
    return this.#served.vdpa === undefined ? this.#served.vrings[index]?.raw : undefined;
  }

  /**
   * Delivers packets to a receive queue of the driver (an even ring). They stay the caller's: the data is copied.
   * @returns how many were dealt with; fewer than `count` when the driver supplied too few buffers
   */
  enqueueBurst(queue: number, burst: PacketBurst, from = 0, count = burst.count - from): number {
    const { pool } = burst;
    const served = this.#served;
    const vring = served.vrings[queue];
    const path = vring?.enqueue;
    if (path === undefined || !vring.enabled || !vring.inUse || count <= 0 || pool === undefined) return 0;
    if (vring.async !== undefined && vring.async.inFlight > 0) return 0;
    const n = path.run(pool, burst, from, count);
    if (served.iommu !== undefined) path.queue.lookAhead();
    // Also where nothing was delivered: buffers in which no packet can begin go back used, and their driver has to supply others.
    if (path.queue.callNeeded()) vring.calls.signal();
    if (served.taps !== undefined) showTo(served.taps.of(queue), burst, from, from + n);
    if (path.queue.broken !== undefined) served.break(vring, path.queue.broken);
    served.burstDone();
    return n;
  }

  /**
   * Takes up to `max` packets from a transmit queue of the driver (an odd ring) into buffers of `pool`, which belong
   * to the caller then. With the flag `externalBuffers` those that do not fit one come in bursts whose `burst.pool` is another.
   * After SEND_RARP the next burst of the device is a packet that says where its driver is now, as if that had sent it.
   * @returns how many, which is also `burst.count`
   */
  dequeueBurst(queue: number, pool: BufferPool, burst: PacketBurst, max = burst.capacity): number {
    const served = this.#served;
    const vring = served.vrings[queue];
    const path = vring?.dequeue;
    burst.count = 0;
    burst.pool = pool;
    if (path === undefined || !vring.inUse) return 0;
    if (vring.async !== undefined && vring.async.inFlight > 0) return 0;
    let n = 0;
    if (!vring.enabled) path.drain();
    else if (served.rarp === undefined) n = path.run(pool, burst, max);
    else n = this.#announce(path, pool, burst, max);
    if (path.queue.callNeeded()) vring.calls.signal();
    if (served.taps !== undefined) showTo(served.taps.of(queue), burst, 0, n);
    if (path.queue.broken !== undefined) served.break(vring, path.queue.broken);
    served.burstDone();
    return n;
  }

  /**
   * Captures what passes through this device from now on; `rx` and pairs as in `stats`: seen from the backend.
   * @throws RangeError when the device has no such pair, or an option is out of range
   */
  capture(options: PortCaptureOptions = {}): Capture {
    const pairs = Array.from({ length: Math.ceil(this.#served.vrings.length / 2) }, (_, pair) => pair);
    const ends = {
      rx: pairs.map((pair) => this.#tapped(2 * pair + 1)),
      tx: pairs.map((pair) => this.#tapped(2 * pair)),
    };
    return new Capture(watchedQueues(ends, options), options);
  }

  /**
   * Asks the driver for a kick whenever it makes buffers available on a ring, or for silence (the default: a loop that polls
   * wants no kicks). It stays so when the ring is set up anew.
   * @returns true if buffers are waiting already: no kick will come for those
   */
  enableGuestNotification(queue: number, enabled: boolean): boolean {
    return this.#served.vrings[queue]?.wantKicks(enabled) ?? false;
  }

  /**
   * For loops with nothing to do: sleeps until the driver has sent something, its rings have changed, the device is gone, or the
   * signal aborts. Returns at once if something is waiting. Several devices: `untilDevicePackets`.
   */
  untilPackets(options: UntilDevicePacketsOptions = {}): Promise<void> {
    return untilPackets([this.#served], options);
  }

  /**
   * Calls the driver for what was used on a ring and not told yet, if it wants to be called. Bursts do so by themselves.
   * Never blocks, also where the driver's descriptor is full and was made to block.
   * @returns whether it was called
   */
  vringCall(queue: number): boolean {
    const vring = this.#served.vrings[queue];
    return vring?.queue?.callNeeded() === true && vring.calls.now();
  }

  /**
   * The same as `vringCall`. In DPDK (`rte_vhost_vring_call_nonblock`) it gives up (EAGAIN) where another thread holds the ring; here
   * a ring belongs to the one thread that may call, so there is nothing to wait for.
   * @returns whether it was called
   */
  vringCallNonBlock(queue: number): boolean {
    return this.vringCall(queue);
  }

  /**
   * Calls the driver for a ring, whether it wants to be called or not: for what the callback `guestNotify` has put off.
   * @returns false when there is nothing to call it by
   */
  notifyGuest(queue: number): boolean {
    return this.#served.vrings[queue]?.calls.now() ?? false;
  }

  /**
   * Lets a ring go on elsewhere, as SET_VRING_BASE of a frontend does: a split ring goes by its used index all the same, a packed
   * one that contradicts it goes on where it says itself.
   * @throws VioError VIO_VHOST_RING for a ring nobody spoke of; VIO_RING_BASE
   */
  setVringBase(queue: number, base: VringBase): void {
    const vring = this.#served.vrings[queue];
    if (vring === undefined) throw vhostError('RING', `the device has no ring ${queue}`);
    this.#served.setup.rebase(vring, fromBase(base, this.#format));
    this.#served.update();
  }

  /**
   * Notes down in a ring's inflight buffer that a chain was fetched, for an application that walks the ring by itself
   * (`guestMemory`), on a device of a type of its own. Where chains are fetched by `rawVring` that happens by itself.
   * @param head split: index of the chain's first descriptor; packed: position of that
   * @param last packed: position of its last descriptor
   * @returns the entry; of a split ring that is `head`
   * @throws RangeError for what is no descriptor; VioError VIO_VHOST_STATE when the ring does not run, has no inflight buffer, or
   * its chains were fetched by this library; VIO_RING_INFLIGHT when no entry is free
   */
  setInflightDesc(queue: number, head: number, last = head): number {
    const { entries, ring } = ownEntries(this.#served, queue);
    return entries.set(head, last, ring);
  }

  /** Notes down that the chain of an entry is about to be shown to the driver as used. @throws as `setInflightDesc` */
  setLastInflightIo(queue: number, entry: number): void {
    ownEntries(this.#served, queue).entries.setLast(entry);
  }

  /**
   * Notes down that the chain of an entry was shown to the driver as used.
   * @param lastUsed split: the index of the used ring, with that chain in it; packed rings do without
   * @throws as `setInflightDesc`
   */
  clearInflightDesc(queue: number, entry: number, lastUsed = 0): void {
    ownEntries(this.#served, queue).entries.clear(entry, lastUsed);
  }

  /**
   * Tells the frontend that the configuration space has changed (BACKEND_CONFIG_CHANGE_MSG).
   * @param options needReply: wait until it says that it has looked (REPLY_ACK)
   * @returns whether it was told, and with needReply, whether it agreed; never rejects
   */
  backendConfigChange(options: { readonly needReply?: boolean } = {}): Promise<boolean> {
    const acknowledges = (this.protocolFeatures & VHOST_USER_PROTOCOL_F_REPLY_ACK) !== 0n;
    return this.#served.config.changed(options.needReply === true && acknowledges);
  }

  /**
   * Asks the driver to announce itself on the network, as after a move (GUEST_ANNOUNCE).
   * @returns false when it did not negotiate that
   */
  announce(): boolean {
    const { features, config } = this.#served;
    if ((features & VIRTIO_NET_F_GUEST_ANNOUNCE) === 0n) return false;
    config.announcing = true;
    void config.changed();
    return true;
  }

  /**
   * Tells the log of a guest that is moved (LOG_ALL) that the application has written to the driver's memory by itself, as by
   * `guestMemory`. Bursts and completed chains do so by themselves. Costs nothing while there is no log.
   * @param address guest-physical, of the first byte
   * @throws RangeError for what is no address, or no number of bytes
   */
  logWrite(address: number, bytes: number): void {
    checkWritten(address, bytes);
    this.#served.log.active(this.#served.features)?.mark(address, bytes);
  }

  /**
   * The same for a ring of which the application has written the used ring, or descriptors of the packed ring, by itself.
   * @param offset of the first byte there
   * @throws RangeError for what is no offset, or no number of bytes
   */
  logUsedVring(queue: number, offset: number, bytes: number): void {
    checkWritten(offset, bytes);
    this.#served.vrings[queue]?.markUsed(offset, bytes);
  }

  /** Lets a ring's counters begin at 0 again. */
  resetVringStats(queue: number): void {
    this.#served.vrings[queue]?.resetStats();
  }

  /** The packet that SEND_RARP has asked for; while there is no buffer for it, it waits. */
  #announce(path: DequeuePath, pool: BufferPool, burst: PacketBurst, max: number): number {
    const served = this.#served;
    if (served.rarp === undefined || max < 1 || !path.inject(pool, burst, served.rarp))
      return path.run(pool, burst, max);
    served.rarp = undefined;
    return burst.count;
  }

  get #format(): RingFormat {
    return ringFeatures(this.#served.features).format;
  }

  #tapped(queue: number): { watch(tap: BurstTap): () => void } {
    return {
      watch: (tap) => {
        const served = this.#served;
        served.taps ??= new DeviceTaps();
        served.taps.add(queue, tap);
        return () => {
          if (served.taps?.delete(queue, tap) === true) served.taps = undefined;
        };
      },
    };
  }
}

function checkWritten(at: number, bytes: number): void {
  if (!Number.isSafeInteger(at) || at < 0 || !Number.isSafeInteger(at + bytes) || bytes < 0)
    throw new RangeError(`${bytes} bytes at ${at} are no place in memory`);
}

/** As `VhostDevice.untilPackets`, for several devices: sleeps until one of them has something. */
export function untilDevicePackets(
  devices: Iterable<VhostDevice>,
  options: UntilDevicePacketsOptions = {},
): Promise<void> {
  return untilPackets(Array.from(devices, servedSide), options);
}
