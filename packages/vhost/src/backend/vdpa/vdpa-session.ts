import { VioError } from '@vio/native';
import { defaultTimeout } from '@vio/native/internal';
import {
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_PACKED,
  freshPackedBase,
  ringFeatures,
} from '@vio/rings';
import {
  VHOST_F_LOG_ALL,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD,
  VHOST_USER_PROTOCOL_F_HOST_NOTIFIER,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
} from '../../wire/index.ts';
import { lendRing } from '../vring/ring-view.ts';
import type { Vring } from '../vring/vring.ts';
import { disturbanceOf } from './disturbances.ts';
import { type LentRings, byRelay, directly } from './lent-rings.ts';
import type { VdpaDevice, VdpaFrontend } from './vdpa-device.ts';
import * as errors from './vdpa-errors.ts';
import type { NotifierChannel, VdpaHost } from './vdpa-host.ts';

/** What only vhost-user knows. */
const notVirtio = VHOST_F_LOG_ALL | VHOST_USER_F_PROTOCOL_FEATURES;
/** What a relayed ring does without. */
const notRelayed = VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_IN_ORDER;
const notifierFeatures =
  VHOST_USER_PROTOCOL_F_REPLY_ACK |
  VHOST_USER_PROTOCOL_F_BACKEND_REQ |
  VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD |
  VHOST_USER_PROTOCOL_F_HOST_NOTIFIER;
const wait = { timeout: defaultTimeout };

/** Which session has a device: one at a time. */
const holders = new WeakMap<VdpaDevice, VdpaSession>();

/** What the device works on. */
interface Work extends VdpaFrontend {
  readonly lent: LentRings;
  readonly vrings: readonly Vring[];
  readonly relayed: boolean;
  /** Set by the device when it stops. */
  readonly bases: Map<number, number>;
}

/**
 * A frontend whose rings a vDPA device works on. Requests of the frontend that change what the device works on wait until it has
 * let go (`before`), and it begins again when they have been handled (`after`), as in DPDK's vhost library.
 */
export class VdpaSession {
  readonly device: VdpaDevice;
  readonly #host: VdpaHost;
  readonly #endDown: () => void;
  readonly #endConfig: () => void;
  #channel: NotifierChannel | undefined;
  #work: Work | undefined;
  /** Rings that the device leaves alone, until their kick or call has been replaced. */
  readonly #quiet = new Set<number>();
  /** What was last told of a ring's state. */
  readonly #told = new Map<number, boolean>();
  /** Whether the device marks what it writes, as it was told. */
  #logs = false;
  #line: Promise<unknown> = Promise.resolve();
  #ended: Promise<void> | undefined;
  /** The device could not begin: the connection ends. */
  #failed = false;

  constructor(device: VdpaDevice, host: VdpaHost) {
    this.device = device;
    this.#host = host;
    this.#endDown = device.onDown((reason) => host.giveUp(reason));
    this.#endConfig = device.config?.onChange(() => host.configChanged()) ?? (() => {});
  }

  /** The device works. */
  get working(): boolean {
    return this.#work !== undefined;
  }

  /** Rings whose buffers are passed on by this side. */
  get relays(): boolean {
    return this.#work?.relayed === true;
  }

  setChannel(channel: NotifierChannel): void {
    this.#channel = channel;
  }

  /** What has to be done before a request is handled; undefined: nothing. Never rejects. */
  before(name: string, payload: unknown): Promise<void> | undefined {
    const work = this.#work;
    if (work === undefined) return undefined;
    const disturbance = disturbanceOf(this.#host, name, payload);
    if (disturbance === undefined) return undefined;
    if (disturbance === 'stop') return this.#inTurn(() => this.#stop());
    const { ring } = disturbance;
    if (!work.rings.some(({ index, direct }) => direct && index === ring)) return undefined;
    this.#quiet.add(ring);
    return this.#inTurn(() => this.#settleRings());
  }

  /** What has to be done after a request was handled; undefined: nothing. Never rejects. */
  after(): Promise<void> | undefined {
    const changed = this.#quiet.size > 0;
    this.#quiet.clear();
    if (this.#failed || this.#ended !== undefined) return undefined;
    if (!changed && !this.#isToChange()) return undefined;
    return this.#inTurn(() => this.#settle());
  }

  /** SEND_RARP. */
  async migrationDone(mac: string): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#work !== undefined) await this.device.migrationDone?.(this.#work, mac);
    });
  }

  /** The frontend has left. Resolves when the device has let go of it; never rejects. */
  end(): Promise<void> {
    this.#endDown();
    this.#endConfig();
    this.#channel = undefined;
    this.#ended ??= this.#inTurn(async () => {
      await this.#stop();
      if (holders.get(this.device) !== this) return;
      holders.delete(this.device);
      this.device.cleanup?.(this.#host.vid);
    });
    return this.#ended;
  }

  /** One after the other. What fails ends the connection. */
  #inTurn(step: () => Promise<void>): Promise<void> {
    const turn = this.#line.then(step).catch((error: unknown) => this.#fail(error));
    this.#line = turn;
    return turn;
  }

  #fail(cause: unknown): void {
    this.#failed = true;
    this.#host.giveUp(VioError.is(cause) ? cause : errors.deviceFailed(this.device.name, cause));
  }

  /** Rings that the device is to work on, enabled or not. */
  #wanted(): Vring[] {
    return this.#host.vrings.filter(({ ready, atRest }) => ready && !atRest);
  }

  #isToChange(): boolean {
    const work = this.#work;
    if (work === undefined) return this.#mayBegin();
    return (
      this.#isOther(work) ||
      work.rings.some(({ index, enabled }) => this.#told.get(index) !== enabled) ||
      this.#isLogging() !== this.#logs
    );
  }

  #mayBegin(): boolean {
    const { memory, mayRun, vrings } = this.#host;
    if (memory === undefined || !mayRun) return false;
    const first = vrings.slice(0, 2);
    return (
      first.length === 2 &&
      first.every(({ ready, enabled, fault }) => ready && enabled && fault === undefined)
    );
  }

  /** The device has to begin anew: there are other rings, or it cannot go on as it does. */
  #isOther(work: Work): boolean {
    const wanted = this.#wanted();
    if (wanted.length !== work.vrings.length || wanted.some((vring, i) => vring !== work.vrings[i]))
      return true;
    return this.#isLogging() && !work.relayed && this.device.setFeatures === undefined;
  }

  #isLogging(): boolean {
    const { log, features } = this.#host;
    return log.active(features) !== undefined;
  }

  async #settle(): Promise<void> {
    if (this.#ended !== undefined) return;
    if (this.#work !== undefined && this.#isOther(this.#work)) await this.#stop();
    if (this.#work === undefined) {
      if (this.#mayBegin()) await this.#begin();
    } else {
      await this.#settleRings();
      await this.#settleLog();
    }
    this.#host.tell();
  }

  async #settleRings(): Promise<void> {
    const work = this.#work;
    if (work === undefined) return;
    for (const { index, enabled } of work.rings) {
      const on = enabled && !this.#quiet.has(index);
      if (this.#told.get(index) === on) continue;
      this.#told.set(index, on);
      await this.device.setVringState(work, index, on);
    }
  }

  async #settleLog(): Promise<void> {
    const logs = this.#isLogging();
    if (this.#work === undefined || logs === this.#logs) return;
    this.#logs = logs;
    if (this.#work.relayed) return;
    await this.device.setFeatures?.(this.#work, this.#work.features | (logs ? VHOST_F_LOG_ALL : 0n));
  }

  /** @throws VioError VIO_VDPA_BUSY, VIO_VDPA_MEMORY, VIO_VHOST_RING, and what the device says */
  async #begin(): Promise<void> {
    await this.#claim();
    const work = this.#prepare();
    if (work === undefined) return;
    try {
      await this.device.configure(work, wait);
    } catch (error) {
      work.lent[Symbol.dispose]();
      throw error;
    }
    this.#work = work;
    this.#logs = work.relayed && this.#isLogging();
    for (const { index, enabled } of work.rings) this.#told.set(index, enabled);
    if (!work.relayed) for (const vring of work.vrings) vring.lent = true;
    for (const [i, relay] of work.lent.relays.entries()) {
      const { raw, memory } = this.#host.relay(work.vrings[i]);
      relay.begin(raw, memory);
    }
    await this.#settleLog();
    this.#notifiers(true);
  }

  async #claim(): Promise<void> {
    const { device } = this;
    if (device.down !== undefined) throw device.down;
    const holder = holders.get(device);
    if (holder !== undefined && holder !== this) {
      if (holder.#ended === undefined) throw errors.busy(device.name);
      await holder.#ended;
      return this.#claim();
    }
    holders.set(device, this);
  }

  /** @returns undefined: one of the rings is broken */
  #prepare(): Work | undefined {
    const { vid, features, memory } = this.#host;
    const { device } = this;
    if (memory === undefined) return undefined;
    const vrings = this.#wanted();
    const most = device.maxRingSize ?? Number.POSITIVE_INFINITY;
    for (const { index, size } of vrings)
      if (size > most) throw errors.ringTooLong(device.name, index, size, most);
    if (vrings.some((vring) => !this.#host.settleBase(vring))) return undefined;
    const rings = vrings.map((vring) => ({ vring, lent: lendRing(vring, memory, features) }));
    const fresh = ringFeatures(features).format === 'packed' ? freshPackedBase : 0;
    const relayed =
      (this.#isLogging() && device.setFeatures === undefined) ||
      (!device.resumes && rings.some(({ lent }) => lent.base !== fresh));
    const lent = relayed
      ? byRelay(memory, vrings, (index) => this.#host.giveUp(errors.usedNonsense(device.name, index)))
      : directly(memory, rings);
    const bases = new Map<number, number>();
    return {
      vid,
      features: features & ~(notVirtio | (relayed ? notRelayed : 0n)),
      regions: lent.regions,
      memory: lent.memory,
      rings: lent.rings,
      setVringBase: (queue, base) => void bases.set(queue, base),
      lent,
      vrings,
      relayed,
      bases,
    };
  }

  async #stop(): Promise<void> {
    const work = this.#work;
    if (work === undefined) return;
    try {
      this.#notifiers(false);
      await this.device.stop(work, wait);
    } finally {
      this.#work = undefined;
      this.#told.clear();
      for (const relay of work.lent.relays) relay.end();
      for (const vring of work.vrings) this.#takeBack(vring, work);
      work.lent[Symbol.dispose]();
    }
  }

  /** Where the ring goes on is what the device said, or is to be found out when it runs again. */
  #takeBack(vring: Vring, work: Work): void {
    const said = work.bases.get(vring.index);
    const { memory, features } = this.#host;
    vring.pause();
    if (work.relayed || memory === undefined) return;
    vring.distrustBase();
    if (said !== undefined) vring.base = said;
    else if (ringFeatures(features).format === 'split') vring.base = lendRing(vring, memory, features).base;
    else vring.settleBase(memory, features);
  }

  /**
   * Has drivers kick the device by themselves, where frontend and device can. Nobody waits for it: a frontend that waits for the
   * answer to a request does not look at what this side asks for.
   */
  #notifiers(on: boolean): void {
    const channel = this.#channel;
    const work = this.#work;
    if (channel === undefined || work === undefined) return;
    if ((this.#host.protocolFeatures & notifierFeatures) !== notifierFeatures) return;
    for (const { index, direct } of work.rings) {
      const area = direct ? this.device.notifyArea(index) : undefined;
      if (area === undefined) continue;
      const { fd, offset, size } = area;
      void channel.hostNotifier({ index, offset, size }, on ? fd : undefined);
    }
  }
}
