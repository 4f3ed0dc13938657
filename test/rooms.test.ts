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

/** What something imported is called in the table of a house: a room of it, or from outside, a room around it or a package. */
function placeOf(imported: string, { folder }: House): { inside: boolean; name: string | undefined } {
  if (imported.startsWith('@')) return { inside: false, name: imported.split('/')[1] };
  const [first, second, ...rest] = relative(folder, imported).split('/');
  if (first !== '..') return { inside: true, name: second === undefined ? undefined : first };
  // Beside the folder that the house is in: a room of the package, unless it is a file.
  return { inside: false, name: second === '..' || rest.length === 0 ? undefined : second };
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

  // A table may say from outside as well what is imported: all of it then.
  const namesOthers = rooms.some(({ mayImport }) => [...mayImport].some((each) => !names.includes(each)));

  it.each(rooms)('has a room $name that imports what it may', ({ name, mayImport }) => {
    const sources = ownFiles(join(folder, name), /\.ts$/).filter((file) => !file.endsWith('.test.ts'));
    const others = sources.flatMap((file) =>
      imports(file).flatMap((imported) => {
        const place = placeOf(imported, house);
        if (place.name === undefined || place.name === name || mayImport.has(place.name)) return [];
        if (!place.inside && !namesOthers) return [];
        return `${file}: ${imported}`;
      }),
    );
    expect(others).toEqual([]);
  });
});
