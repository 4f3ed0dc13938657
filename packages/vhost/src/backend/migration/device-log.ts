import type { EventFd } from '@vio/native';
import type { DirtyLog } from '@vio/rings/internal';
import { VHOST_F_LOG_ALL } from '../../wire/index.ts';
import type { LogArea } from './log-area.ts';

/** Where a device marks what it writes: nowhere, or in the log of its frontend while LOG_ALL is on. */
export class DeviceLog implements Disposable {
  #area: LogArea | undefined = undefined;
  #signal: EventFd | undefined = undefined;

  /** @param features as they were negotiated last */
  active(features: bigint): DirtyLog | undefined {
    return (features & VHOST_F_LOG_ALL) === 0n ? undefined : (this.#area?.log ?? undefined);
  }

  /** True once the frontend truncated the log's file. */
  get faulted(): boolean {
    return this.#area?.faulted === true;
  }

  /** SET_LOG_BASE. @returns the log there was, which the caller closes once nobody marks there any more */
  replace(area: LogArea | undefined): LogArea | undefined {
    const before = this.#area;
    this.#area = area;
    if (area !== undefined) area.signal = this.#signal;
    return before;
  }

  /** SET_LOG_FD: signalled whenever something was marked. */
  set signal(event: EventFd | undefined) {
    this.#signal?.close();
    this.#signal = event;
    if (this.#area !== undefined) this.#area.signal = event;
  }

  [Symbol.dispose](): void {
    this.#area?.[Symbol.dispose]();
    this.#area = undefined;
    this.signal = undefined;
  }
}
