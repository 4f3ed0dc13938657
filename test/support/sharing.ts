// Which files of unit tests may share a process: to start one, and to load what they import into it, takes longer than most of them.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * They ask what else their process holds, replace a module or the clock in it, or are other files once more: a file that the process has
 * run before is not run again, and its tests would be missing without a word.
 */
const immodest =
  /\b(openFds|holdings|memoryUsage|mappingsNamed|mappingField)\b|\/proc\/self|vi\.(mock|useFakeTimers)\(|import\('[^']*\.test\.ts'\)/;

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
  const alone = files.filter((file) => isAlone(join(root, file)));
  return { alone, shared: files.filter((file) => !alone.includes(file)) };
}

/** A file is what it is by its helpers, too: fuzzers count in theirs. */
function isAlone(file: string): boolean {
  const text = readFileSync(file, 'utf8');
  if (immodest.test(text)) return true;
  const helpers = Array.from(
    text.matchAll(/^(?:import|}) .*'(\.[^']*\/test-support\/[^']+)';$/gm),
    ([, path]) => path,
  );
  return helpers.some((path) => immodest.test(readFileSync(join(dirname(file), path), 'utf8')));
}
