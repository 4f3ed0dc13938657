// A real browser on the built site, which a small server gives away as any web server would.
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { type Browser, type BrowserContextOptions, type Page, chromium } from 'playwright-core';

export const site = join(import.meta.dirname, '../../docs/out');

/** Chromium of the machine: none is downloaded. @throws Error with what to install */
export async function launchChromium(): Promise<Browser> {
  const places = [process.env['VIO_CHROMIUM'], '/usr/bin/chromium', '/usr/bin/google-chrome'];
  const executablePath = places.find((place) => place !== undefined && existsSync(place));
  if (executablePath === undefined)
    throw new Error('there is no Chromium: apt-get install chromium, or name one in VIO_CHROMIUM');
  // Root, whom a container's CI is, has no sandbox; only our own pages are opened.
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

/** Serves the site on the loopback interface. */
export async function serveSite(): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://site');
    const file = join(
      site,
      normalize(decodeURIComponent(pathname)),
      pathname.endsWith('/') ? 'index.html' : '',
    );
    const there = existsSync(file);
    response.writeHead(there ? 200 : 404, { 'content-type': types[extname(file)] ?? 'text/plain' });
    response.end(there ? readFileSync(file) : 'not found');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

/** Windows that pages are looked at in. */
export const desktop = { width: 1280, height: 900 };
export const phone = { width: 390, height: 844 };

/** Runs in the page: how light it is behind the text, of 255, and by how many pixels it is wider than the window. */
export const measure = `(() => {
  const colours = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number);
  const { scrollWidth, clientWidth } = document.documentElement;
  return [colours.reduce((sum, one) => sum + one) / 3, scrollWidth - clientWidth];
})()`;

/** Has somebody look at a new page, with what its console says and what goes wrong in it. */
export async function withPage(
  browser: Browser,
  options: BrowserContextOptions,
  see: (page: Page, said: string[]) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext(options);
  try {
    const page = await context.newPage();
    const said: string[] = [];
    page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => said.push(`uncaught: ${error.message}`));
    await see(page, said);
  } finally {
    await context.close();
  }
}
