import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';

const begin = '<!-- results: written by npm run bench -- --write -->';
const end = '<!-- end of results -->';
const mark = (machine: string): string => `<!-- results of ${machine} -->`;
/** Before a section's heading. */
const section = /^(?=### )/m;
const anyMark = /<!-- results of (.*?) -->/g;

/**
 * Puts results between the markers of a Markdown file, in place of the last of the same machine; those of others stay below. So do
 * the machine's own sections ("### ") that these results do not have.
 * @param text of the file @param machine processor and peer: what makes numbers another table
 * @throws Error when the file has no markers
 */
export function withResults(text: string, machine: string, results: string): string {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from === -1 || to < from) throw new Error('there are no markers for results');
  const old = text.slice(from + begin.length, to);
  const marks = Array.from(old.matchAll(anyMark));
  const all = marks.map((found, i) => ({
    name: found[1],
    part: old.slice(found.index + found[0].length, marks[i + 1]?.index),
  }));
  const own = all.find(({ name }) => name === machine)?.part ?? '';
  const others = all
    .filter(({ name }) => name !== machine)
    .map(({ name, part }) => `${mark(name)}\n\n${part.trim()}`);
  const parts = [begin, `${mark(machine)}\n\n${withSections(own, results)}`, ...others];
  return `${text.slice(0, from)}${parts.join('\n\n')}\n\n${text.slice(to)}`;
}

/** @returns the results; of the old ones, sections that they do not have, where they were */
function withSections(old: string, results: string): string {
  const [front, ...sections] = results.split(section);
  const [, ...kept] = old.split(section);
  const title = (text: string): string => text.slice(0, text.indexOf('\n'));
  const rest = [...sections];
  const merged = kept.map((text) => {
    const at = rest.findIndex((other) => title(other) === title(text));
    return at === -1 ? text : rest.splice(at, 1)[0];
  });
  return [front, ...merged, ...rest].map((text) => text.trim()).join('\n\n');
}

/** Does so with a file, formatted as all files are. @returns what is in it now */
export async function writeResults(file: string, machine: string, results: string): Promise<string> {
  const all = withResults(readFileSync(file, 'utf8'), machine, results);
  const text = await format(all, { ...(await resolveConfig(file)), filepath: file });
  writeFileSync(file, text);
  return text;
}
