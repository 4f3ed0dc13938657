import { existsSync, readFileSync } from 'node:fs';

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

/** `dist/page` of this package: in a folder above this module, whose place in the build is the build's business. */
function folder(from: URL): URL {
  const found = new URL('dist/page/', from);
  if (existsSync(new URL('index.html', found))) return found;
  const above = new URL('..', from);
  if (above.href === from.href) throw new Error('the page is not built');
  return folder(above);
}

let files: ReadonlyMap<string, PageFile> | undefined;

/** A file of the page by its name in the address, `/` among them; they are read once somebody asks. */
export function pageFile(path: string): PageFile | undefined {
  if (files === undefined) {
    const place = folder(new URL('.', import.meta.url));
    files = new Map(
      Object.entries(types).map(([name, type]) => [
        name === 'index.html' ? '/' : `/${name}`,
        { type, bytes: readFileSync(new URL(name, place)) },
      ]),
    );
  }
  return files.get(path);
}
