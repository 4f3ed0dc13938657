import { cpSync, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VioError } from '@vio/native';
import { shellQuoted } from '../completion/words.ts';

/** The folder of this package: the first above this file, wherever a build has put it, that has a manifest. */
function packageDirectory(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}

const examples = join(packageDirectory(), 'examples');

/** Writes the name of each example and what it shows. */
export function listExamples(): void {
  const names = readdirSync(examples);
  const width = Math.max(...names.map(({ length }) => length));
  for (const name of names) {
    const text = readFileSync(join(examples, name, 'package.json'), 'utf8');
    const { description } = JSON.parse(text) as { description: string };
    process.stdout.write(`${name.padEnd(width)}  ${description}\n`);
  }
}

/**
 * Copies an example into a folder that is empty, or not there yet.
 * @throws VioError VIO_CLI_USAGE when there is no such example, VIO_EXAMPLE_DIRECTORY when there is something already, or nothing may be
 */
export function example(name: string, directory: string): void {
  const names = readdirSync(examples);
  if (!names.includes(name)) {
    throw new VioError(`there is no example "${name}"`, {
      code: 'VIO_CLI_USAGE',
      remedy: `take one of ${names.join(', ')}`,
    });
  }
  if (existsSync(directory) && !isEmptyFolder(directory)) {
    throw new VioError(`${directory} is not an empty folder`, {
      code: 'VIO_EXAMPLE_DIRECTORY',
      remedy: 'name a folder that is empty or does not exist',
    });
  }
  try {
    cpSync(join(examples, name), directory, { recursive: true });
  } catch (cause) {
    throw new VioError(`the example cannot be written: ${cause instanceof Error ? cause.message : ''}`, {
      code: 'VIO_EXAMPLE_DIRECTORY',
      remedy: 'name a folder where you may write',
      cause,
    });
  }
  const word = /^[\w./][\w./-]*$/.test(directory) ? directory : `-- ${shellQuoted(directory)}`;
  process.stdout.write(
    `${directory} is yours; its README.md says what it takes. Next:\n  cd ${word} && npm install && npm start\n`,
  );
}

const isEmptyFolder = (path: string): boolean =>
  statSync(path).isDirectory() && readdirSync(path).length === 0;
