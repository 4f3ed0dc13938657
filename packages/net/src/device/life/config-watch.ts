import { callApplication } from '@vio/native/internal';
import type { ConfigSpace } from '../config-space.ts';
import type { DeviceConfig } from '../net-device.ts';

/** Who wants to know of changes in a device's configuration. */
export interface ConfigHandlers {
  /** The link went up or down, or is not what it was known to be. */
  readonly link?: (up: boolean) => void;
  /** The device begins to ask that the driver announce itself. @returns whether that was done; if not, the next look asks again */
  readonly announce?: () => Promise<boolean> | void;
}

/**
 * Looks at the configuration of a device whenever it may have changed, and tells what is new: the link, and the wish
 * that the driver announce itself. However often it changes meanwhile, one look at most is under way and one to follow.
 */
export class ConfigWatch implements Disposable {
  readonly #config: DeviceConfig;
  readonly #features: bigint;
  readonly #handlers: ConfigHandlers;
  readonly #unsubscribe: () => void;
  #linkUp: boolean;
  #announced = false;
  #looking = false;
  #again = false;
  #over = false;

  /** @param features those by which a field of the configuration counts @param linkUp what is known of the link */
  constructor(config: DeviceConfig, features: bigint, handlers: ConfigHandlers, linkUp = true) {
    this.#config = config;
    this.#features = features;
    this.#handlers = handlers;
    this.#linkUp = linkUp;
    this.#unsubscribe = config.onChange(() => this.#changed());
    this.#changed();
  }

  /** Looks, although nothing is known to have changed: what could not be done before may be possible now. */
  look(): void {
    this.#changed();
  }

  [Symbol.dispose](): void {
    this.#over = true;
    this.#unsubscribe();
  }

  #changed(): void {
    if (this.#looking) this.#again = true;
    else void this.#look();
  }

  async #look(): Promise<void> {
    this.#looking = true;
    do {
      this.#again = false;
      // A device that refuses has nothing to say; one that does not answer goes down, which is told elsewhere.
      const config = await this.#config.read(this.#features).catch(() => undefined);
      if (config !== undefined && !this.#over) this.#tell(config);
    } while (this.#again && !this.#over);
    this.#looking = false;
  }

  #tell({ linkUp, announce }: ConfigSpace): void {
    if (linkUp !== this.#linkUp) {
      this.#linkUp = linkUp;
      callApplication(() => this.#handlers.link?.(linkUp));
    }
    const wanted = announce && !this.#announced;
    this.#announced = announce;
    if (wanted) void this.#announce();
  }

  async #announce(): Promise<void> {
    if ((await this.#handlers.announce?.()) === false) this.#announced = false;
  }
}
