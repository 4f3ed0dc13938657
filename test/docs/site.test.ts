// The documentation site as a reader sees it: built without a warning, links that lead somewhere, a search that finds, both
// themes, a phone. VIO_SCREENSHOTS=DIRECTORY keeps pictures of what was looked at.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { desktop, launchChromium, measure, phone, serveSite, site, withPage } from './browser.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const screenshots = process.env['VIO_SCREENSHOTS'];

let build: { stdout: string; stderr: string };
let browser: Browser;
let server: Awaited<ReturnType<typeof serveSite>>;
beforeAll(async () => {
  browser = await launchChromium();
  build = await run(process.execPath, [join(root, 'docs/scripts/build.mjs')]);
  server = await serveSite();
});
afterAll(async () => {
  await browser?.close();
  server?.close();
});

const pages = (): string[] =>
  readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'));

it('is built without a warning', () => {
  expect(build).toEqual({ stdout: 'docs/out/index.html\n', stderr: '' });
});

it('links to nothing that is not there', () => {
  const html = new Map(pages().map((file) => [file, readFileSync(join(site, file), 'utf8')]));
  const idsOf = new Map<string, Set<string>>();
  const ids = (file: string): Set<string> => {
    const known =
      idsOf.get(file) ??
      new Set(Array.from(html.get(file)?.matchAll(/ id="([^"]+)"/g) ?? [], ([, id]) => id));
    idsOf.set(file, known);
    return known;
  };
  const dead = [...html].flatMap(([file, text]) =>
    Array.from(text.matchAll(/ (?:href|src)="(?![a-z]+:)([^"]+)"/g), ([, link]) => link).filter((link) => {
      const [path, anchor] = link.split('#').map(decodeURIComponent);
      const target = path === '' ? file : relative(site, resolve(site, dirname(file), path));
      if (!existsSync(join(site, target))) return true;
      return anchor !== undefined && anchor !== '' && html.has(target) && !ids(target).has(anchor);
    }),
  );
  expect([...new Set(dead)]).toEqual([]);
});

it('has an anchor for every heading that is made of a name', () => {
  const nameless = pages().filter((file) => / id="_(-\d+)?"/.test(readFileSync(join(site, file), 'utf8')));
  expect(nameless).toEqual([]);
  expect(readFileSync(join(site, 'documents/Error_codes.html'), 'utf8')).toMatch(/ id="vio_ring_size"/);
});

/** Opens a page, waits until it has its sidebar, and hands it over with what its console said. */
async function look(
  path: string,
  options: BrowserContextOptions,
  see: (page: Page, console: string[]) => Promise<void>,
): Promise<void> {
  await withPage(browser, options, async (page, said) => {
    page.on('requestfailed', (request) => said.push(`failed: ${request.url()}`));
    page.on(
      'response',
      (response) => response.status() >= 400 && said.push(`${response.status()}: ${response.url()}`),
    );
    await page.goto(`${server.url}/${path}`);
    await page.locator('.tsd-navigation a').first().waitFor({ state: 'attached' });
    await see(page, said);
    if (screenshots !== undefined) {
      mkdirSync(screenshots, { recursive: true });
      const name = `${path.replaceAll(/\W+/g, '-')}-${options.colorScheme}-${options.viewport?.width}.png`;
      await page.screenshot({ path: join(screenshots, name) });
    }
  });
}

const shown = [
  'index.html',
  'documents/Your_first_app.html',
  'documents/Error_codes.html',
  'documents/Measured_beside_DPDK.html',
  'modules/_vio_net.html',
];

describe.each(shown)('%s', (path) => {
  it.each([
    ['light', desktop],
    ['dark', desktop],
    ['light', phone],
    ['dark', phone],
  ] as const)('is right in %s at %o', async (colorScheme, viewport) => {
    await look(path, { colorScheme, viewport }, async (page, console) => {
      const [brightness, overflow] = await page.evaluate<[number, number]>(measure);
      expect({ console, overflow, dark: brightness < 128 }).toEqual({
        console: [],
        overflow: 0,
        dark: colorScheme === 'dark',
      });
    });
  });
});

it.each([
  ['openVirtioUser', 'openVirtioUser'],
  ['VIO_RING_SIZE', 'Error codes'],
  ['hugepages', 'Tuning'],
])('the search for %s finds %s', async (words, found) => {
  await look('index.html', { colorScheme: 'light', viewport: desktop }, async (page) => {
    await page.locator('#tsd-search-trigger').click();
    await page.locator('#tsd-search-input').fill(words);
    const results = page.locator('#tsd-search-results li');
    await results.filter({ hasText: found }).first().waitFor();
    expect(await results.allTextContents()).toContainEqual(expect.stringContaining(found));
  });
});

it('a reader on a phone opens the menu and goes to a guide', async () => {
  await look('index.html', { colorScheme: 'dark', viewport: phone }, async (page, console) => {
    await page.locator('#tsd-toolbar-menu-trigger').click();
    await page.locator('.tsd-navigation a', { hasText: 'Your first app' }).click();
    await page.waitForURL(/Your_first_app/);
    expect(console).toEqual([]);
  });
});
