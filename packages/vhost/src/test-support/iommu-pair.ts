import { UnixStream } from '@vio/native';
import { VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_VERSION_1 } from '@vio/rings';
import type { ScriptedFrontend } from '../testing/index.ts';
import {
  MessageReader,
  backendRequests,
  decodeRequest,
  encodeRequest,
  iotlbType,
  frontendRequests as requests,
} from '../wire/index.ts';
import type { VhostDriverFlags } from '../backend/driver/driver-flags.ts';
import { Guest, type GuestOptions } from './guest.ts';
import { Pair } from './pair.ts';

const page = 4096;
const iova = 0xfff0_0000;

/** A page of the driver's that the device may see: where it is for the frontend, and what is allowed there. */
interface Page {
  readonly user: number;
  readonly access: number;
}

/** A driver behind an I/O MMU, and its frontend, which translates page by page what it is asked for. */
export class IommuPair implements AsyncDisposable {
  readonly pair: Pair;
  readonly guest: Guest;
  /** What was asked, as `miss ADDRESS ACCESS` or `fail ADDRESS ACCESS`. */
  readonly asked: string[] = [];
  /** What it answers with. */
  readonly pages = new Map<number, Page>();
  /** It answers no question. */
  silent = false;
  readonly #channel: UnixStream;

  private constructor(pair: Pair, guest: Guest, channel: UnixStream) {
    this.pair = pair;
    this.guest = guest;
    this.#channel = channel;
    for (const [i, region] of guest.regions.entries())
      this.map(iova + i * region.size, region.size, region.userAddress);
    const reader = new MessageReader(channel);
    const stop = channel.onReadable(() => {
      try {
        for (let message = reader.read(); message !== undefined; message = reader.read())
          this.#hear(decodeRequest(backendRequests.BACKEND_IOTLB_MSG, message));
      } catch {
        stop();
      }
    });
  }

  static async start(
    options: GuestOptions & { readonly silent?: boolean; readonly flags?: VhostDriverFlags } = {},
  ): Promise<IommuPair> {
    const { features = VIRTIO_F_VERSION_1, flags } = options;
    const guest = new Guest({ ...options, features: features | VIRTIO_F_ACCESS_PLATFORM, iova });
    const [mine, theirs] = UnixStream.pair();
    let started: IommuPair | undefined;
    const setFeatures = async (frontend: ScriptedFrontend): Promise<void> => {
      await frontend.send(requests.SET_BACKEND_REQ_FD, undefined, { fds: [theirs.fd] });
      theirs.close();
      await frontend.send(requests.SET_FEATURES, guest.features);
    };
    const pair = await Pair.start({
      guest,
      flags: { ...flags, iommuSupport: true },
      instead: { SET_FEATURES: setFeatures },
    });
    started = new IommuPair(pair, guest, mine);
    started.silent = options.silent ?? false;
    return started;
  }

  /** Where a ring's memory begins for the device. */
  base(ring: number): number {
    return this.guest.rings[ring].memory.base;
  }

  /** From now on the device may see these pages. */
  map(at: number, bytes: number, user: number, access = 3): void {
    for (let done = 0; done < bytes; done += page) this.pages.set(at + done, { user: user + done, access });
  }

  /** From now on it may not, which it knows when this resolves. */
  async unmap(at: number, bytes = page): Promise<void> {
    for (let done = 0; done < bytes; done += page) this.pages.delete(at + done);
    await this.say(iotlbType.invalidate, at, bytes, 0, 0);
  }

  /** A message of the frontend's. @returns what was acknowledged */
  say(type: number, at: number, bytes: number, user: number, permissions = 3): Promise<bigint> {
    const message = {
      iova: BigInt(at),
      size: BigInt(bytes),
      userAddress: BigInt(user),
      permissions,
      type,
    };
    return this.pair.frontend.acknowledged(requests.IOTLB_MSG, message);
  }

  /** Resolves when no question is open: those that were asked are answered, and the answers handled. */
  async settled(): Promise<void> {
    for (let calm = 0; calm < 3; calm++) {
      const before = this.asked.length;
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setTimeout(resolve, 1));
      await this.pair.frontend.ask(requests.GET_FEATURES, undefined);
      if (this.asked.length !== before) calm = -1;
    }
  }

  #hear({ iova: at, permissions, type }: { iova: bigint; permissions: number; type: number }): void {
    this.asked.push(`${type === iotlbType.miss ? 'miss' : 'fail'} ${at.toString(16)} ${permissions}`);
    const found = this.pages.get(Number(at));
    if (type !== iotlbType.miss || found === undefined || this.silent) return;
    const answer = {
      iova: at,
      size: BigInt(page),
      userAddress: BigInt(found.user),
      permissions: found.access,
      type: iotlbType.update,
    };
    void this.pair.frontend.sendRaw(encodeRequest(requests.IOTLB_MSG, answer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel.close();
    await this.pair[Symbol.asyncDispose]();
  }
}
