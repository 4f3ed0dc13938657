import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A directory for the tests of a file, removed after them. */
export function scratchDirectory(name = 'test'): string {
  const directory = mkdtempSync(join(tmpdir(), `vio-${name}-`));
  chmodSync(directory, 0o755); // children without privileges look into it
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
