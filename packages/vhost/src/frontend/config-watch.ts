import { callApplication } from '@vio/native';
import type { ConfigSpace } from '@vio/net';

/** Who wants to know of changes in a device's configuration. */
export interface ConfigHandlers {
  readonly link?: (up: boolean) => void;
  readonly announce?: () => void;
}

/**
 * Looks at the configuration of a device whenever it may have changed, and tells what is new: the link, and the wish
 * that the driver announce itself. However often it changes meanwhile, one look at most is under way and one to follow.
 */
export class ConfigWatch {
  readonly #read: () => Promise<ConfigSpace>;
  readonly #handlers: ConfigHandlers[] = [];
  #linkUp = true;
  #announced = false;
  #looking = false;
  #again = false;

  constructor(read: () => Promise<ConfigSpace>) {
    this.#read = read;
  }

  add(handlers: ConfigHandlers): void {
    this.#handlers.push(handlers);
    this.changed();
  }

  changed(): void {
    if (this.#handlers.length === 0) return;
    if (this.#looking) this.#again = true;
    else void this.#look();
  }

  async #look(): Promise<void> {
    this.#looking = true;
    do {
      this.#again = false;
      // A backend that refuses has nothing to say; one that does not answer goes down, which is told elsewhere.
      const config = await this.#read().catch(() => null);
      if (config !== null) this.#tell(config);
    } while (this.#again);
    this.#looking = false;
  }

  #tell({ linkUp, announce }: ConfigSpace): void {
    if (linkUp !== this.#linkUp) {
      this.#linkUp = linkUp;
      for (const { link } of this.#handlers) callApplication(() => link?.(linkUp));
    }
    const wanted = announce && !this.#announced;
    this.#announced = announce;
    if (wanted) for (const { announce: tell } of this.#handlers) callApplication(() => tell?.());
  }
}
