// The README of a package says which rooms its sources have, and what each of them may import. A room imports those above it only,
// so no two of them import each other; the folders that there are are the rooms that it names.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ownFiles } from './support/own-files.ts';

const root = join(import.meta.dirname, '..');

interface Room {
  readonly name: string;
  /** Rooms and packages. */
  readonly mayImport: ReadonlySet<string>;
}

interface House {
  /** From the root of the repository. */
  readonly folder: string;
  /** In the order of the table. */
  readonly rooms: readonly Room[];
}

const tables = /(?:^|\n)([^\n]*)\n\n\| room [^\n]*may import[^\n]*\n\|[ -|]*\n((?:\|[^\n]*\n)+)/g;

/** The tables of a README; one that is introduced by "Inside `folder/`" is about that. */
function houses(name: string): House[] {
  const readme = readFileSync(join(root, 'packages', name, 'README.md'), 'utf8');
  return Array.from(readme.matchAll(tables), ([, above, rows]) => {
    const inside = /Inside `([^`]+)\/`/.exec(above)?.[1];
    const rooms: Room[] = [];
    for (const row of rows.trimEnd().split('\n')) {
      const [, names, , may] = row.split('|').map((cell) => cell.trim());
      const said = may === 'none' ? [] : may.split(', ');
      const allowed = said.flatMap((each) => (each === 'all above' ? rooms.map((room) => room.name) : each));
      for (const [, room] of names.matchAll(/`([^`]+)\/`/g))
        rooms.push({ name: room, mayImport: new Set(allowed) });
    }
    return { folder: join('packages', name, 'src', inside ?? ''), rooms };
  });
}

const folders = (path: string): string[] =>
  readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'test-support')
    .map(({ name }) => name);

const packages = readdirSync(join(root, 'packages')).filter(
  (name) => name !== 'test-support' && existsSync(join(root, 'packages', name, 'src')),
);
const all = packages.flatMap(houses);

/** What a file imports: the sources that it names, from the root, and the packages of ours. */
function imports(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return Array.from(text.matchAll(/(?:from|import\(|import) ?'((?:\.|@vio\/)[^']*)'/g), ([, specifier]) =>
    specifier.startsWith('@') ? specifier : normalize(join(dirname(file), specifier)),
  );
}

/** The room of a house, or of one around it, that something imported is in; undefined: none. */
function roomOf(imported: string, { folder, rooms }: House): string | undefined {
  if (imported.startsWith('@')) return imported.split('/')[1];
  const within = relative(folder, imported);
  const [first, second] = within.split('/');
  if (first !== '..') return rooms.find(({ name }) => name === first)?.name;
  // Beside the folder that the house is in: a room of the package.
  return second === '..' || within.split('/').length < 3 ? undefined : second;
}

describe.each(packages)('the README of %s', (name) => {
  it('has a table of its rooms', () => {
    const inside = join('packages', name, 'src');
    expect(all.some(({ folder }) => folder === inside)).toBe(folders(inside).length > 0);
  });
});

describe.each(all)('$folder', (house) => {
  const { folder, rooms } = house;
  const names = rooms.map((room) => room.name);

  it('has the rooms that are named', () => {
    expect(names.toSorted()).toEqual(folders(folder).toSorted());
  });

  it('lets a room import those above it only', () => {
    const below = rooms.flatMap(({ name, mayImport }, at) =>
      names
        .slice(at)
        .filter((other) => mayImport.has(other))
        .map((other) => `${name}: ${other}`),
    );
    expect(below).toEqual([]);
  });

  // Of a table that names packages as well, those are looked at, too.
  const packagesToo = rooms.some(({ mayImport }) =>
    [...mayImport].some((each) => packages.includes(each) && !names.includes(each)),
  );

  it.each(rooms)('has a room $name that imports what it may', ({ name, mayImport }) => {
    const sources = ownFiles(join(folder, name), /\.ts$/).filter((file) => !/\.test\.ts$/.test(file));
    const others = sources.flatMap((file) =>
      imports(file).flatMap((imported) => {
        const room = roomOf(imported, house);
        if (room === undefined || room === name || mayImport.has(room)) return [];
        if (!names.includes(room) && !packagesToo) return [];
        return `${file}: ${imported}`;
      }),
    );
    expect(others).toEqual([]);
  });
});
