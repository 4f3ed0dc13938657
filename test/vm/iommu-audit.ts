// Who may touch what, kept beside the backend: from the frontend's messages alone, page by page, before the backend handles them.
import type { ExternMessage } from '@vio/vhost';
import { BurstCopier } from '@vio/vhost/internal';

const page = 4096n;
const update = 2;
const invalidate = 3;
const mayRead = 1;
const mayWrite = 2;

/** Pages of the frontend that the device may touch, and every copy of the backend against them. */
export class IommuAudit {
  copies = 0;
  wrong = 0;
  unmapped = 0;
  /** Pages of the frontend that may be touched otherwise than before; for who follows that to empty. */
  readonly changed = new Set<number>();
  /** By page of the device: the page of the frontend, and what is allowed. */
  readonly #pages = new Map<bigint, { readonly user: number; readonly access: number }>();
  /** By page of the frontend: the pages of the device that lead there. */
  readonly #leading = new Map<number, Set<bigint>>();

  /** Hears of a message before the backend does. */
  hear({ name, payload }: ExternMessage): undefined {
    if (name !== 'IOTLB_MSG') return;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const [iova, size, user] = [0, 8, 16].map((at) => view.getBigUint64(at, true));
    const [access, type] = [view.getUint8(24), view.getUint8(25)];
    if (type === invalidate) {
      for (const at of this.#pages.keys())
        if (at + page > iova && (size === 0n || at < iova + size)) this.#forget(at);
    } else if (type === update) {
      for (let at = iova; at < iova + size; at += page) {
        this.#forget(at);
        const there = Number((user + (at - iova)) / page);
        this.#pages.set(at, { user: there, access });
        this.changed.add(there);
        if (!this.#leading.has(there)) this.#leading.set(there, new Set());
        this.#leading.get(there)?.add(at);
      }
    }
  }

  /** Looks at everything that backends of this process copy from now on; their kernels, which would not be seen, are off. */
  watch(): void {
    const { prototype } = BurstCopier;
    prototype.singles = () => undefined;
    around('fromDriver', (copier, window, offset, _local, _to, bytes) =>
      this.#check(copier, window, offset, bytes, mayRead),
    );
    around('toDriver', (copier, _local, _from, window, offset, bytes) =>
      this.#check(copier, window, offset, bytes, mayWrite),
    );
    around('burstFromDriver', (copier, { window, offset, length, count }) => {
      for (let i = 0; i < count; i++) this.#check(copier, window, offset[i], length[i], mayRead);
    });
    around('burstToDriver', (copier, _local, _from, length, first, { window, offset, count }) => {
      for (let i = 0; i < count; i++) this.#check(copier, window, offset[i], length[first + i], mayWrite);
    });
  }

  /** Pages of the frontend that may be touched. */
  reachable(): Iterable<number> {
    return this.#leading.keys();
  }

  /** What may be done to a page of the frontend: 1 read, 2 write, 3 both, 0 nothing. */
  accessTo(user: number): number {
    let access = 0;
    for (const at of this.#leading.get(user) ?? []) access |= this.#pages.get(at)?.access ?? 0;
    return access;
  }

  #forget(at: bigint): void {
    const known = this.#pages.get(at);
    if (known === undefined) return;
    this.#pages.delete(at);
    this.changed.add(known.user);
    const leading = this.#leading.get(known.user);
    leading?.delete(at);
    if (leading?.size !== 0) return;
    this.#leading.delete(known.user);
    this.unmapped++;
  }

  #check({ map }: BurstCopier, window: number, offset: number, bytes: number, access: number): void {
    this.copies++;
    const from = map.windows[window].userAddress + offset;
    const last = Math.floor((from + bytes - 1) / Number(page));
    for (let user = Math.floor(from / Number(page)); user <= last; user++) {
      if ((this.accessTo(user) & access) === 0) this.wrong++;
    }
  }
}

type Copy = 'fromDriver' | 'toDriver' | 'burstFromDriver' | 'burstToDriver';

/** Has `look` see what a method of all copiers is called with. */
function around<N extends Copy>(
  name: N,
  look: (copier: BurstCopier, ...what: Parameters<BurstCopier[N]>) => void,
): void {
  type Method = (this: BurstCopier, ...what: Parameters<BurstCopier[N]>) => void;
  const method = Reflect.get(BurstCopier.prototype, name) as Method;
  Reflect.set(BurstCopier.prototype, name, function (this: BurstCopier, ...what: Parameters<BurstCopier[N]>) {
    look(this, ...what);
    method.apply(this, what);
  });
}
