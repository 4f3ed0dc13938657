// What the addons of a release ask of the machine they come to. `npm run prebuilds` builds them and runs this; where
// nobody has, there is only the one that this machine built for itself, which may ask for what this machine has.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { elfNeeds } from './test-support/elf.ts';

const prebuilds = fileURLToPath(new URL('../prebuilds', import.meta.url));
const files = readdirSync(prebuilds, { recursive: true, encoding: 'utf8' }).filter((file) =>
  /^linux-(x64|arm64)\/@vio\+native\.(glibc|musl)\.node$/.test(file),
);
const released = files.filter((file) => {
  const stamp = `${join(prebuilds, file)}.stamp`;
  return existsSync(stamp) && (JSON.parse(readFileSync(stamp, 'utf8')) as { release: boolean }).release;
});

/** Newest version of each family that the oldest supported distributions have: Debian 10 and RHEL 8. */
const floors: Readonly<Record<string, readonly number[]>> = {
  GLIBC: [2, 28],
  GLIBCXX: [3, 4, 25],
  CXXABI: [1, 3, 11],
  GCC: [7, 0, 0],
};

/** Whether a version such as `GLIBC_2.17` is in the oldest distribution. */
function within(version: string): boolean {
  const [family = '', numbers = ''] = version.split('_');
  const parts = numbers.split('.').map(Number);
  const floor = floors[family];
  if (floor === undefined) return false;
  const at = floor.findIndex((most, i) => (parts[i] ?? 0) !== most);
  return at === -1 ? parts.length <= floor.length : (parts[at] ?? 0) < (floor[at] ?? 0);
}

it('is told what is newer than the floor', () => {
  const all = ['GLIBC_2.2.5', 'GLIBC_2.28', 'GLIBC_2.34', 'GLIBCXX_3.4.9', 'GLIBCXX_3.4.26', 'GLIBC_PRIVATE'];
  expect(all.filter((version) => !within(version))).toEqual([
    'GLIBC_2.34',
    'GLIBCXX_3.4.26',
    'GLIBC_PRIVATE',
  ]);
});

it.each(files)('%s is for the processor that its folder names', (file) => {
  expect(elfNeeds(join(prebuilds, file)).machine).toBe(file.startsWith('linux-x64') ? 62 : 183);
});

describe.each(released)('%s', (file) => {
  const needs = elfNeeds(join(prebuilds, file));

  it('is small enough for a package to carry four', () => {
    expect(statSync(join(prebuilds, file)).size).toBeLessThan(330_000);
  });

  it('asks for no symbol that the oldest supported distribution lacks', () => {
    expect(needs.versions.filter((version) => !within(version))).toEqual([]);
  });

  it('asks for no library but libc, and with glibc those Node itself has', () => {
    const glibc =
      /^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|librt\.so\.1|libdl\.so\.2|libstdc\+\+\.so\.6|libgcc_s\.so\.1|ld-linux-\S+)$/;
    const musl = /^libc(\.musl-\w+)?\.so(\.1)?$/;
    const allowed = file.includes('.musl.') ? musl : glibc;
    expect(needs.libraries.filter((library) => !allowed.test(library))).toEqual([]);
  });
});
