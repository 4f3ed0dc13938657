import { readdirSync, readlinkSync } from 'node:fs';

/** Processes that have one of these device files open, as far as this user may see. Opens nothing. */
export function deviceHolders(files: readonly string[]): number[] {
  const wanted = new Set(files);
  return list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => list(`/proc/${pid}/fd`).some((fd) => wanted.has(target(`/proc/${pid}/fd/${fd}`))))
    .map(Number);
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}
