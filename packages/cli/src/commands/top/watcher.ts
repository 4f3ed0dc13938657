import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { telemetryDirectories } from '../../telemetry/places.ts';
import { type Look, toLook } from './snapshot.ts';
import { TelemetryClient } from './telemetry-client.ts';

interface Watched {
  readonly client: TelemetryClient;
  readonly about: unknown;
}

/** The programs that run, as they come and go. */
export class Watcher implements Disposable {
  readonly #named: readonly string[];
  readonly #watched = new Map<string, Watched>();

  /** @param named their sockets; empty: all that are found */
  constructor(named: readonly string[]) {
    this.#named = named;
  }

  /** Looks at all of them; those that do not answer are left out. */
  async look(): Promise<Look[]> {
    const paths = this.#named.length > 0 ? this.#named : found();
    const looks = await Promise.all(paths.map((path) => this.#lookAt(path)));
    return looks.filter((look) => look !== undefined);
  }

  [Symbol.dispose](): void {
    for (const { client } of this.#watched.values()) client[Symbol.dispose]();
    this.#watched.clear();
  }

  async #lookAt(path: string): Promise<Look | undefined> {
    try {
      const { client, about } = this.#watched.get(path) ?? (await this.#meet(path));
      return toLook(path, about, await client.ask('/vio/snapshot'));
    } catch {
      this.#watched.get(path)?.client[Symbol.dispose]();
      this.#watched.delete(path);
      return undefined;
    }
  }

  async #meet(path: string): Promise<Watched> {
    const client = await TelemetryClient.connect(path);
    try {
      const watched = { client, about: await client.ask('/info') };
      this.#watched.set(path, watched);
      return watched;
    } catch (error) {
      client[Symbol.dispose]();
      throw error;
    }
  }
}

function found(): string[] {
  return telemetryDirectories().flatMap((directory) => {
    try {
      return readdirSync(directory)
        .filter((name) => name.endsWith('.sock'))
        .map((name) => join(directory, name));
    } catch {
      return [];
    }
  });
}
