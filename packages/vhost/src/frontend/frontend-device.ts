import { VioError, type WaitOptions } from '@vio/native';
import {
  type DeviceControl,
  type DeviceMemory,
  type DeviceSetup,
  type DeviceTraits,
  type MemoryRequest,
  type MemorySlots,
  type NetDevice,
  type Notifier,
  type PlacedQueue,
  type QueueReset,
  type QueueSizeRequest,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_STATUS,
  sharedMemory,
} from '@vio/net';
import { STATUS_AGREED, STATUS_FEATURES_OK, STATUS_KNOWN, STATUS_RUNNING } from '@vio/net/internal';
import { VIRTIO_F_RING_RESET } from '@vio/rings';
import type { SharedRegion, VhostTransport } from '../transport.ts';
import { EmulatedControl } from './emulated-control.ts';
import { inTurn } from './in-turn.ts';

/** Descriptors of a ring, where nobody says otherwise: DPDK's default. */
const usualSize = 256;

/**
 * The device behind a vhost backend, however that is spoken to. The backend is told everything by `start`, in the order in
 * which DPDK's frontend does: call eventfds of every ring, features, memory, then ring by ring number, base, addresses and
 * kick; enabled at the end.
 */
export class FrontendDevice implements NetDevice {
  /** How the backend is spoken to. */
  readonly transport: VhostTransport;
  /** The frontend has address and link by itself. */
  readonly traits: DeviceTraits;
  readonly control: DeviceControl;
  /** What the backend offers; undefined before it was asked. */
  #offered: bigint | undefined;
  #features = 0n;
  /** Rings the backend was given. */
  #rings: number[] = [];

  constructor(transport: VhostTransport) {
    this.transport = transport;
    // The frontend knows the address, and the connection is the link.
    const own = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS;
    this.traits = { wanted: transport.wantedFeatures, needed: 0n, own };
    this.control = {
      queue: transport.controlQueue,
      substitute: (pairs) => new EmulatedControl(transport, pairs),
    };
  }

  get down(): VioError | undefined {
    return this.transport.down ?? undefined;
  }

  get config() {
    return this.transport.config;
  }

  get inflight() {
    return this.transport.inflight;
  }

  get mtu() {
    return this.transport.mtu;
  }

  get memorySlots(): MemorySlots | undefined {
    const slots = this.transport.memorySlots;
    if (slots === undefined) return undefined;
    return { add: (memory, start, end, wait) => slots.add(region(memory, start, end), wait) };
  }

  /** Over vhost-user a ring is reset by stopping it (virtio 1.4, section 2.6.1). */
  get reset(): QueueReset | undefined {
    if ((this.#features & VIRTIO_F_RING_RESET) === 0n) return undefined;
    const { transport } = this;
    return {
      async take(queue, wait) {
        await transport.setVringEnable(queue, false, wait);
        await transport.getVringBase(queue, wait);
      },
      give: async (queue, wait) => {
        await inTurn(wait, (each) => [
          queue.call === undefined ? undefined : transport.setVringCall(queue.index, queue.call.fd, each),
          ...this.#place(queue, each),
          transport.setVringEnable(queue.index, true, each),
        ]);
      },
    };
  }

  /** A backend is greeted once: who has asked already, to see whether it answers, gets what it said then. */
  async features(wait: WaitOptions): Promise<bigint> {
    if (this.#offered === undefined) {
      await this.transport.setOwner(wait);
      this.#offered = await this.transport.getFeatures(wait);
    }
    return this.#offered;
  }

  accept(features: bigint): Promise<void> {
    this.#features = features;
    return Promise.resolve();
  }

  maxPairs(wait: WaitOptions): Promise<number> {
    return this.transport.queueNum(wait);
  }

  queueSize({ wanted, enough = usualSize }: QueueSizeRequest): number {
    return Math.min(wanted ?? enough, this.transport.maxRingSize ?? Infinity);
  }

  allocate(request: MemoryRequest): DeviceMemory {
    return sharedMemory(request);
  }

  kick(queue: number): Notifier | undefined {
    return queue < 2 * 128 ? this.transport.doorbell(queue) : undefined;
  }

  async start(setup: DeviceSetup, wait: WaitOptions): Promise<void> {
    const { transport } = this;
    const { queues, control, memory, mtu, inflight } = setup;
    const rings = control === undefined ? queues : [...queues, control];
    this.#rings = rings.map(({ index }) => index);
    await inTurn(wait, (each) => [
      ...queues.map(({ index, call }) => transport.setVringCall(index, call?.fd, each)),
      this.#agree(each),
    ]);
    if (mtu !== undefined) await transport.mtu?.set(mtu, wait);
    await inflight?.ask(transport.inflight, queues, wait);
    await inTurn(wait, (each) => [
      inflight?.hand(transport.inflight, queues, each),
      transport.setMemTable([region(memory, 0, setup.reach)], each),
      ...rings.flatMap((ring) => this.#place(ring, each)),
      ...rings.map(({ index }) => transport.setVringEnable(index, true, each)),
      transport.status?.set(STATUS_RUNNING, each),
    ]);
  }

  /**
   * Takes the rings back: no packets first, then every ring is stopped, started or not. What the backend cannot or will not
   * do on the way down does not keep the rest from being done.
   */
  async stop(wait: WaitOptions): Promise<void> {
    const { transport } = this;
    const attempt = (request: () => Promise<unknown> | undefined): Promise<unknown> | undefined =>
      transport.down === undefined ? request()?.catch(() => {}) : undefined;
    for (const ring of this.#rings) await attempt(() => transport.setVringEnable(ring, false, wait));
    for (const ring of this.#rings) await attempt(() => transport.getVringBase(ring, wait));
    const { status, reset } = transport;
    await attempt(() => (status === undefined ? reset?.device(wait) : status.set(0, wait)));
  }

  onDown(handler: (reason: VioError) => void): () => void {
    return this.transport.onDown(handler);
  }

  close(): void {
    this.transport.close();
  }

  /** Features, and with a status the steps of virtio 1.4, section 3.1.1: FEATURES_OK must still be set when it is read back. */
  async #agree(wait: WaitOptions): Promise<void> {
    const { status } = this.transport;
    const said = await inTurn(wait, (each) => [
      status?.set(STATUS_KNOWN, each),
      this.transport.setFeatures(this.#features, each),
      status?.set(STATUS_AGREED, each),
      status?.get(each),
    ]);
    const state = said.at(-1);
    if (typeof state !== 'number' || (state & STATUS_FEATURES_OK) !== 0) return;
    throw new VioError('the backend refused the features it had offered (FEATURES_OK did not stay set)', {
      code: 'VIO_FEATURES_REFUSED',
      remedy:
        'switch off in_order, packed_vq or mrg_rxbuf, one after the other, and see which the backend cannot do',
    });
  }

  #place({ index, size, base, addresses, kick }: PlacedQueue, wait: WaitOptions): Promise<void>[] {
    const { transport } = this;
    return [
      transport.setVringNum(index, size, wait),
      transport.setVringBase(index, base, wait),
      transport.setVringAddr(index, addresses, wait),
      transport.setVringKick(index, kick?.fd, wait),
    ];
  }
}

/** Offsets are guest and user addresses. */
function region({ fd }: DeviceMemory, start: number, end: number): SharedRegion {
  if (fd === undefined) throw new TypeError('a backend maps memory by its descriptor');
  return { guestAddress: start, userAddress: start, size: end - start, mmapOffset: start, fd };
}
