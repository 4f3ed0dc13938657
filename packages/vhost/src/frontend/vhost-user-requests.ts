import type { WaitOptions } from '@vio/native';
import type { InflightArea } from '@vio/net';
import type { SharedRegion, VhostTransport, VringUserAddresses } from '../transport.ts';
import {
  type ConfigPart,
  type Inflight,
  type LogArea,
  type MemoryRegion,
  VHOST_USER_PROTOCOL_F_MQ,
  maxVrings,
  messageError,
  sentRequests as requests,
} from '../wire/index.ts';
import { type BackendPeer, refused } from './backend-peer.ts';

/**
 * The requests of a vhost-user frontend whose meaning depends on nothing that was negotiated before, each as a method. Those of
 * a protocol feature that is not in use reject with VIO_VHOST_UNSUPPORTED, and nothing is sent.
 */
export abstract class VhostUserRequests implements Pick<
  VhostTransport,
  | 'setOwner'
  | 'queueNum'
  | 'setMemTable'
  | 'setVringNum'
  | 'setVringBase'
  | 'setVringAddr'
  | 'setVringKick'
  | 'setVringCall'
  | 'setVringErr'
  | 'getVringBase'
> {
  readonly #backend: BackendPeer;

  /** @internal `VhostUserFrontend` is what there is of it. */
  constructor(backend: BackendPeer) {
    this.#backend = backend;
  }

  setOwner(options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_OWNER, undefined, options);
  }

  async queueNum(options: WaitOptions = {}): Promise<number> {
    if ((this.#backend.protocolFeatures & VHOST_USER_PROTOCOL_F_MQ) === 0n) return 1;
    const { value } = await this.#backend.ask(requests.GET_QUEUE_NUM, undefined, options);
    return Math.min(value, maxVrings / 2);
  }

  setMemTable(regions: readonly SharedRegion[], options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(
      requests.SET_MEM_TABLE,
      regions,
      options,
      regions.map(({ fd }) => fd),
    );
  }

  setVringNum(index: number, size: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_VRING_NUM, { index, value: size }, options);
  }

  setVringBase(index: number, base: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_VRING_BASE, { index, value: base }, options);
  }

  setVringAddr(index: number, addresses: VringUserAddresses, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_VRING_ADDR, { index, flags: 0, log: 0, ...addresses }, options);
  }

  setVringKick(index: number, fd: number | undefined, options: WaitOptions = {}): Promise<void> {
    return this.#setEvent(requests.SET_VRING_KICK, index, fd, options);
  }

  setVringCall(index: number, fd: number | undefined, options: WaitOptions = {}): Promise<void> {
    return this.#setEvent(requests.SET_VRING_CALL, index, fd, options);
  }

  setVringErr(index: number, fd: number | undefined, options: WaitOptions = {}): Promise<void> {
    return this.#setEvent(requests.SET_VRING_ERR, index, fd, options);
  }

  #setEvent(
    request: typeof requests.SET_VRING_KICK,
    index: number,
    fd: number | undefined,
    options: WaitOptions,
  ): Promise<void> {
    return this.#backend.tell(
      request,
      { index, hasFd: fd !== undefined },
      options,
      fd === undefined ? [] : [fd],
    );
  }

  async getVringBase(index: number, options: WaitOptions = {}): Promise<number> {
    const { value } = await this.#backend.ask(
      requests.GET_VRING_BASE,
      { index, value: 0 },
      options,
      [],
      (state, answer) => {
        if (state.index !== index) {
          throw messageError('VALUE', answer, 'the vring index', state.index, `${index}`);
        }
      },
    );
    return value.value;
  }

  // What vhost-user has beyond the common interface.

  /** Reads the device status (STATUS). */
  async getStatus(options: WaitOptions = {}): Promise<number> {
    return (await this.#backend.ask(requests.GET_STATUS, undefined, options)).value;
  }

  /** Writes the device status (STATUS). @param status 0 to 255; 0 resets */
  setStatus(status: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_STATUS, status, options);
  }

  /** Stops all rings, in backends that still know it. Deprecated by the protocol. */
  resetOwner(options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.RESET_OWNER, undefined, options);
  }

  /** Back to the initial state; the session stays (RESET_DEVICE). */
  resetDevice(options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.RESET_DEVICE, undefined, options);
  }

  /**
   * Reads device configuration space (CONFIG).
   * @param offset 0 to 255
   * @param size 1 to 256 - offset, bytes
   * @throws VioError VIO_VHOST_REFUSED if the backend cannot read it
   */
  async getConfig(offset: number, size: number, options: WaitOptions = {}): Promise<Uint8Array> {
    const asked = { offset, flags: 0, data: new Uint8Array(size) };
    const { value } = await this.#backend.ask(requests.GET_CONFIG, asked, options, [], (part, answer) => {
      if (part !== undefined && (part.offset !== offset || part.data.length !== size)) {
        const found = `${part.data.length} bytes at ${part.offset}`;
        throw messageError('VALUE', answer, 'the configuration', found, `${size} bytes at ${offset}`);
      }
    });
    if (value === undefined) throw refused('GET_CONFIG', 'an empty answer');
    return value.data;
  }

  /** Writes device configuration space (CONFIG). */
  setConfig(part: ConfigPart, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_CONFIG, part, options);
  }

  /** Tells the backend the MTU (NET_MTU). @param mtu 68 to 65535 bytes */
  setMtu(mtu: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.NET_SET_MTU, mtu, options);
  }

  /** Makes the backend announce a MAC address after a migration (RARP). @param mac 6 bytes */
  sendRarp(mac: Uint8Array, options: WaitOptions = {}): Promise<void> {
    const payload = new Uint8Array(8);
    payload.set(mac.subarray(0, 6));
    return this.#backend.tell(
      requests.SEND_RARP,
      new DataView(payload.buffer).getBigUint64(0, true),
      options,
    );
  }

  /** Regions that `addRegion` may add in all (CONFIGURE_MEM_SLOTS). */
  async getMaxMemSlots(options: WaitOptions = {}): Promise<number> {
    return (await this.#backend.ask(requests.GET_MAX_MEM_SLOTS, undefined, options)).value;
  }

  /** Adds one region to the memory table (CONFIGURE_MEM_SLOTS). */
  addRegion(region: SharedRegion, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.ADD_MEM_REG, region, options, [region.fd]);
  }

  /** Removes a region that was added (CONFIGURE_MEM_SLOTS). */
  removeRegion(region: MemoryRegion, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.REM_MEM_REG, region, options);
  }

  /** Where the backend marks the pages it writes (LOG_SHMFD). @param fd stays the caller's */
  async setLogBase(area: LogArea, fd: number, options: WaitOptions = {}): Promise<void> {
    await this.#backend.ask(requests.SET_LOG_BASE, area, options, [fd]);
  }

  /** The eventfd by which the backend tells that the log changed. Stays the caller's. */
  setLogFd(fd: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_LOG_FD, new Uint8Array(0), options, [fd]);
  }

  /** A buffer to track unfinished work in (INFLIGHT_SHMFD). @returns its `fd` is the caller's to close */
  async getInflight(queues: number, queueSize: number, options: WaitOptions = {}): Promise<InflightArea> {
    const asked = { mmapSize: 0, mmapOffset: 0, queues, queueSize };
    const { value, fds } = await this.#backend.ask(requests.GET_INFLIGHT_FD, asked, options);
    return { ...value, fd: fds[0] };
  }

  /** Gives a backend the buffer of its predecessor (INFLIGHT_SHMFD). @param fd stays the caller's */
  setInflight(area: Inflight, fd: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_INFLIGHT_FD, area, options, [fd]);
  }

  /** The socket over which the backend may send requests (BACKEND_REQ). Stays the caller's. */
  setBackendRequestFd(fd: number, options: WaitOptions = {}): Promise<void> {
    return this.#backend.tell(requests.SET_BACKEND_REQ_FD, undefined, options, [fd]);
  }
}
