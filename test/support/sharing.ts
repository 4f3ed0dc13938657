// Which files of unit tests may share a process: to start one, and to load what they import into it, takes longer than most of them.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** They ask what else their process holds, or replace a module or the clock in it. */
const immodest =
  /\b(openFds|holdings|memoryUsage|mappingsNamed|mappingField)\b|\/proc\/self|vi\.(mock|useFakeTimers)\(/;

/** Files of tests by what is in them; paths from the root of the repository. */
export interface TestFiles {
  /** Each has a process of its own. */
  readonly alone: string[];
  readonly shared: string[];
}

/** @param folders with tests, from the root of the repository */
export function testFiles(folders: readonly string[]): TestFiles {
  const root = join(import.meta.dirname, '../..');
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => `${folder}/${name}`),
  );
  const isAlone = (file: string): boolean => immodest.test(readFileSync(join(root, file), 'utf8'));
  return { alone: files.filter(isAlone), shared: files.filter((file) => !isAlone(file)) };
}
