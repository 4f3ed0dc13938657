// Memory that is there only where the frontend has translated it: what a backend's code in C++ touches besides kills its process.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { ExternMessage, VhostDevice } from '@vio/vhost';
import { here, repository } from './checkout.ts';
import type { IommuAudit } from './iommu-audit.ts';

const page = 4096;
/** Of the memory that QEMU shares (memory-backend-memfd). */
const fileName = '/memfd:memory-backend-memfd';
const announcements = new Set(['SET_MEM_TABLE', 'ADD_MEM_REG', 'REM_MEM_REG']);

interface PageProtector {
  protect(address: bigint, bytes: number, access: number): number;
}

/** A piece of the file in this process. */
interface Mapping {
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
  /** Where it begins in the file. */
  readonly offset: number;
}

/** Compiles what JavaScript cannot do. @param directory it goes to */
export function buildPageGuard(directory: string): string {
  const file = join(directory, 'page-guard.node');
  const headers = join(repository, 'packages/native/node_modules/node-api-headers/include');
  const source = join(here, 'page-guard.c');
  execFileSync('cc', ['-O2', '-Wall', '-shared', '-fPIC', '-I', headers, '-o', file, source]);
  return file;
}

/** Keeps the driver's memory away from this process, but for the pages that its frontend has translated at the moment. */
export class IommuGuard {
  /** Times that pages came or went. */
  changes = 0;
  /** Pages of the driver's memory that nobody here could touch, when it was taken away last. */
  away = 0;
  readonly #audit: IommuAudit;
  readonly #protector: PageProtector;
  #mappings: readonly Mapping[] = [];
  /** Memory was announced, and is not kept away yet. */
  #stale = true;

  /** @param file what `buildPageGuard` has made */
  constructor(file: string, audit: IommuAudit) {
    this.#protector = createRequire(import.meta.url)(file) as PageProtector;
    this.#audit = audit;
  }

  /** Hears of a message after the audit, and before the backend does. */
  hear(device: VhostDevice, { name }: ExternMessage): undefined {
    if (announcements.has(name ?? '')) this.#stale = true;
    else if (name === 'IOTLB_MSG' && this.#stale) this.#takeAway(device);
    else if (name === 'IOTLB_MSG') this.#follow(device);
  }

  /** All of it, but for what is translated. */
  #takeAway(device: VhostDevice): void {
    this.#stale = false;
    this.#audit.changed.clear();
    this.#mappings = mappingsOf(readMaps());
    for (const { address, size } of this.#mappings) this.#protect(address, size, 0);
    for (const user of this.#audit.reachable()) this.#show(device, user);
    const away = readMaps().filter(({ permissions }) => permissions.startsWith('---'));
    this.away = mappingsOf(away).reduce((sum, { size }) => sum + size / page, 0);
  }

  #follow(device: VhostDevice): void {
    for (const user of this.#audit.changed) this.#show(device, user);
    this.#audit.changed.clear();
  }

  /** Makes a page what the frontend has said of it. @param user its number in the frontend's address space */
  #show(device: VhostDevice, user: number): void {
    const at = user * page;
    for (const { userAddress, size, mmapOffset } of device.memoryTable()) {
      if (at < userAddress || at >= userAddress + size) continue;
      const offset = at - userAddress + mmapOffset;
      for (const mapping of this.#mappings) {
        if (offset < mapping.offset || offset >= mapping.offset + mapping.size) continue;
        this.#protect(mapping.address + BigInt(offset - mapping.offset), page, this.#audit.accessTo(user));
      }
    }
  }

  #protect(address: bigint, bytes: number, access: number): void {
    if (this.#protector.protect(address, bytes, access) !== 0)
      throw new Error(`0x${address.toString(16)} cannot be protected`);
    this.changes++;
  }
}

interface Line extends Mapping {
  readonly permissions: string;
  readonly path: string;
}

function readMaps(): Line[] {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const found = /^(\w+)-(\w+) (\S+) (\w+) \S+ \d+\s*(.*)$/.exec(line);
      if (found === null) return [];
      const [, from, end, permissions, offset, path] = found;
      const address = BigInt(`0x${from}`);
      const size = Number(BigInt(`0x${end}`) - address);
      return [{ address, size, permissions, offset: Number.parseInt(offset, 16), path }];
    });
}

const mappingsOf = (lines: readonly Line[]): Line[] => lines.filter(({ path }) => path.startsWith(fileName));
