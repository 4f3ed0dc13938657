import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';

const begin = '<!-- results: written by npm run bench -- --write -->';
const end = '<!-- end of results -->';

/** Replaces what stands between the markers of a Markdown file, formatted as all files are. */
export async function writeResults(file: string, text: string): Promise<void> {
  const old = readFileSync(file, 'utf8');
  const from = old.indexOf(begin);
  const to = old.indexOf(end);
  if (from === -1 || to < from) throw new Error(`${file} has no markers for results`);
  const all = `${old.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${old.slice(to)}`;
  writeFileSync(file, await format(all, { ...(await resolveConfig(file)), filepath: file }));
}
