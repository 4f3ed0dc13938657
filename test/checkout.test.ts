// Where the suites that boot a kernel find this checkout, from their sources and compiled (`npm run bench:vm`).
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const built = new URL('./dist/vm/', import.meta.url);

describe.each([
  ['sources', new URL('./vm/', import.meta.url), 'ts'],
  ['build', built, 'js'],
] as const)('the suites in their %s', (_, place, extension) => {
  it('know where the checkout is, and their sources', async () => {
    const { here, repository } = (await import(
      new URL(`checkout.${extension}`, place).href
    )) as typeof import('./vm/checkout.ts');
    expect([repository, here]).toEqual([root, join(root, 'test/vm')]);
    expect(existsSync(join(here, 'guest/bench.ts'))).toBe(true);
  });

  it('have a guest keep all of it, where /tmp is its own', async () => {
    const { initScript } = (await import(
      new URL(`initramfs.${extension}`, place).href
    )) as typeof import('./vm/initramfs.ts');
    const { repository } = (await import(
      new URL(`checkout.${extension}`, place).href
    )) as typeof import('./vm/checkout.ts');
    expect(initScript(repository)).toContain(`mount --bind /host${root} /checkout\n`);
    expect(initScript(repository)).toContain(`mount --bind /checkout /host${root}\n`);
  });

  it('take no other place for it', () => {
    const text = readFileSync(new URL(`initramfs.${extension}`, place), 'utf8');
    expect(text).not.toContain('import.meta.url');
  });
});
