import { readFileSync } from 'node:fs';
import { distFile } from '../../dist-file.ts';

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
}

const types: Readonly<Record<string, string>> = {
  'index.html': 'text/html; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'favicon.svg': 'image/svg+xml',
};

let files: ReadonlyMap<string, PageFile> | undefined;

/** A file of the page by its name in the address, `/` among them; they are read once somebody asks. */
export function pageFile(path: string): PageFile | undefined {
  if (files === undefined) {
    files = new Map(
      Object.entries(types).map(([name, type]) => [
        name === 'index.html' ? '/' : `/${name}`,
        { type, bytes: readFileSync(distFile(`page/${name}`)) },
      ]),
    );
  }
  return files.get(path);
}
