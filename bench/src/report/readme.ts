import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';

const begin = '<!-- results: written by npm run bench -- --write -->';
const end = '<!-- end of results -->';
const mark = (machine: string): string => `<!-- results of ${machine} -->`;
const anyMark = /<!-- results of (.*?) -->/g;

/**
 * Puts results between the markers of a Markdown file, in place of the last of the same machine; those of others stay below.
 * @param text of the file @param machine processor and peer: what makes numbers another table
 * @throws Error when the file has no markers
 */
export function withResults(text: string, machine: string, results: string): string {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from === -1 || to < from) throw new Error('there are no markers for results');
  const old = text.slice(from + begin.length, to);
  const marks = Array.from(old.matchAll(anyMark));
  const others = marks
    .map((found, i) => ({ name: found[1], part: old.slice(found.index, marks[i + 1]?.index) }))
    .filter(({ name }) => name !== machine)
    .map(({ part }) => part.trim());
  const parts = [begin, `${mark(machine)}\n\n${results.trim()}`, ...others];
  return `${text.slice(0, from)}${parts.join('\n\n')}\n\n${text.slice(to)}`;
}

/** Does so with a file, formatted as all files are. */
export async function writeResults(file: string, machine: string, results: string): Promise<void> {
  const all = withResults(readFileSync(file, 'utf8'), machine, results);
  writeFileSync(file, await format(all, { ...(await resolveConfig(file)), filepath: file }));
}
