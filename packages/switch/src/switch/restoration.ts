/** What can be kept from moving frames. */
export interface Holdable {
  hold(): void;
  go(): void;
}

/** What a switch does after a restart: no frame moves before those are back who were connected, or it has waited long enough. */
export class Restoration {
  readonly #frames: Holdable;
  /** Names of ports. */
  readonly #missing = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #waits = false;
  #closed = false;

  constructor(frames: Holdable) {
    this.#frames = frames;
  }

  /** Whether frames are held. */
  get waits(): boolean {
    return this.#waits;
  }

  /** Names of the ports that are still waited for. */
  get missing(): readonly string[] {
    return [...this.#missing];
  }

  /** @param timeout milliseconds */
  begin(names: Iterable<string>, timeout: number): void {
    for (const name of names) this.#missing.add(name);
    if (this.#missing.size === 0 || timeout === 0) return;
    this.#waits = true;
    this.#frames.hold();
    this.#timer = setTimeout(() => this.#go(), timeout).unref();
  }

  /** A port is not waited for any more: somebody is at its other end, or it is gone itself. */
  settle(name: string): void {
    if (this.#missing.delete(name) && this.#missing.size === 0) this.#go();
  }

  /** Ends for good: no frame moves any more. What was missing is told of still. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#frames.hold();
  }

  #go(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#missing.clear();
    if (this.#closed) return;
    this.#waits = false;
    this.#frames.go();
  }
}
