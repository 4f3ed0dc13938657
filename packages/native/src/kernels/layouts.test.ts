import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const { layoutFiles } = (await import(new URL('scripts/layouts.mjs', root).href)) as {
  layoutFiles: () => Map<string, string>;
};

it.each([...layoutFiles()])('%s is what scripts/layouts.mjs writes', (file, text) => {
  expect(readFileSync(new URL(file, root), 'utf8')).toBe(text);
});
