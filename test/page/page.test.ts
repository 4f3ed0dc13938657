// The live page as a person sees it, in Chromium: its numbers are the port's, nothing a peer says becomes part of it, both themes,
// a phone. VIO_SCREENSHOTS=DIRECTORY keeps pictures of what was looked at.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Vio, listeningBackend } from '../cli/vio.ts';
import { desktop, launchChromium, measure, phone, withPage } from '../docs/browser.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-page-'));
/** A name as unkind as a path can be: whatever shows it, shows text. */
const socket = join(directory, '<img src=x onerror=alert(1)>.sock');
const screenshots = process.env['VIO_SCREENSHOTS'];
let browser: Browser;
let backend: Vio;
let port: Vio;
let urls: { readonly port: string; readonly device: string };

const pageOf = (program: Vio): string => /live page on (\S+)/.exec(program.stdout)?.[1] ?? '';

beforeAll(async () => {
  browser = await launchChromium();
  backend = await listeningBackend([socket, '--queues', '2', '--metrics', '0', '--page-packets']);
  // Neither sends anything by itself, so counters stand still while they are compared.
  port = new Vio(['run', `path=${socket},queues=2,packed_vq=1`, '--metrics', '0', '--page-packets']);
  await port.says(/receiveq0/);
  urls = { port: pageOf(port), device: pageOf(backend) };
});
afterAll(async () => {
  await port?.interrupt();
  await backend?.interrupt();
  await browser?.close();
  rmSync(directory, { recursive: true });
});

/** Opens a page, waits until it has its rings, and hands it over with what its console said. */
async function look(
  url: string,
  options: BrowserContextOptions,
  see: (page: Page, said: string[]) => Promise<void>,
): Promise<void> {
  await withPage(browser, options, async (page, said) => {
    page.on('dialog', (dialog) => said.push(`dialog: ${dialog.message()}`));
    page.on('request', (request) => {
      if (!request.url().startsWith(url)) said.push(`asked elsewhere: ${request.url()}`);
    });
    await page.goto(url);
    await page.locator('.ring').first().waitFor();
    await see(page, said);
    if (screenshots !== undefined) {
      mkdirSync(screenshots, { recursive: true });
      const name = `${url === urls.port ? 'port' : 'device'}-${options.colorScheme}-${options.viewport?.width}.png`;
      await page.screenshot({ path: join(screenshots, name), fullPage: true });
    }
  });
}

/** Runs in the page: every counter that it shows. */
const counters = `Object.fromEntries(Array.from(document.querySelectorAll('[data-counter]'), (cell) =>
  [cell.dataset.counter, [cell.dataset.value, cell.textContent.replaceAll(',', '')]]))`;

/** The counters of a program as Prometheus gets them, under the names that they have on the page. */
async function scraped(url: string): Promise<Record<string, string>> {
  const text = await (await fetch(`${url}metrics`)).text();
  const queues = text.matchAll(/^vio_([rt]x)_(\w+)_total\{port=".*",queue="(\d+)"\} (\d+)$/gm);
  return Object.fromEntries(
    Array.from(queues, ([, direction, name, queue, value]) => [`${direction}_q${queue}_${name}`, value]),
  );
}

describe.each(['port', 'device'] as const)('the page of a %s', (kind) => {
  it.each([
    ['light', desktop],
    ['dark', desktop],
    ['light', phone],
    ['dark', phone],
  ] as const)('is right in %s at %o', async (colorScheme, viewport) => {
    await look(urls[kind], { colorScheme, viewport }, async (page, said) => {
      const [brightness, overflow] = await page.evaluate<[number, number]>(measure);
      expect({ said, overflow, dark: brightness < 128 }).toEqual({
        said: [],
        overflow: 0,
        dark: colorScheme === 'dark',
      });
    });
  });

  it('shows every ring, with both sides and what they hold', async () => {
    await look(urls[kind], { viewport: desktop }, async (page) => {
      const names = await page.locator('.ring h3').allTextContents();
      const words = await page.locator('.ring dl').first().textContent();
      const drawn = await page.locator('.ring path.driver').first().getAttribute('d');
      expect(names).toEqual(['receiveq0', 'transmitq0', 'receiveq1', 'transmitq1']);
      expect(words).toMatch(/formatpackeddriver at\d+ wrap [01]device at\d+ wrap [01]/);
      expect(drawn).toMatch(/^M[\d.]+ /);
    });
  });

  it('has the numbers of the program', async () => {
    await look(urls[kind], { viewport: desktop }, async (page) => {
      // Nothing passes between the two: what counts on is that nothing was found.
      const standing = ([name]: [string, unknown]): boolean => !/empty_polls|bursts/.test(name);
      const expected = Object.fromEntries(
        Object.entries(await scraped(urls[kind]))
          .filter(standing)
          .map(([name, value]) => [name, [value, value]]),
      );
      const shown = Object.entries(await page.evaluate<Record<string, [string, string]>>(counters));
      expect(Object.keys(expected).length).toBeGreaterThan(50);
      expect(Object.fromEntries(shown.filter(standing))).toMatchObject(expected);
    });
  });
});

it('a name that looks like a script stays text', async () => {
  await look(urls.port, { viewport: desktop }, async (page, said) => {
    const option = await page.locator('#ports option').first().textContent();
    const event = await page.locator('#events li').first().textContent();
    expect([option, event]).toEqual([
      expect.stringContaining('<img src=x onerror=alert(1)>'),
      expect.stringContaining('<img src=x onerror=alert(1)>'),
    ]);
    expect([await page.locator('img').count(), said]).toEqual([0, []]);
  });
});

it('names the elected paths with their reasons, and what stood in the way of others', async () => {
  await look(urls.port, { viewport: desktop }, async (page) => {
    const text = await page.locator('#paths').textContent();
    expect(text).toMatch(/Rx: packed .* in C\+\+\. RING_PACKED.*RING_PACKED negotiated/);
  });
});

describe('while packets pass', () => {
  let sender: Vio;
  let other: Vio;
  beforeAll(async () => {
    const busy = join(directory, 'busy.sock');
    other = await listeningBackend([busy, '--forward-mode', 'io']);
    sender = new Vio([
      'run',
      `path=${busy}`,
      '--forward-mode',
      'flowgen',
      '--metrics',
      '0',
      '--page-packets',
    ]);
    await sender.says(/pps/);
  });
  afterAll(async () => {
    await sender.interrupt();
    await other.interrupt();
  });

  it('has numbers that the program had meanwhile', async () => {
    await look(pageOf(sender), { viewport: desktop }, async (page) => {
      const before = await scraped(pageOf(sender));
      let shown: Record<string, [string, string]> = {};
      // Until it has looked once more.
      while (!(Number(shown['tx_q0_good_packets']?.[0]) > Number(before['tx_q0_good_packets'])))
        shown = await page.evaluate(counters);
      const after = await scraped(pageOf(sender));
      const between = Object.entries(before).map(([name, value]) => {
        const [seen] = shown[name].map(Number);
        return [name, Number(value) <= seen && seen <= Number(after[name])];
      });
      expect(between.filter(([, is]) => is === false)).toEqual([]);
      expect(Number(before['tx_q0_good_packets'])).toBeGreaterThan(0);
    });
  });

  it('shows rates, charts, waits and decoded packets', async () => {
    await look(pageOf(sender), { viewport: desktop }, async (page, said) => {
      await page.locator('.tile strong', { hasText: /pps/ }).first().waitFor();
      await page.locator('#packets tbody tr').first().waitFor();
      const row = await page.locator('#packets tbody tr').first().locator('td').allTextContents();
      await page.locator('#work', { hasText: 'Moving packets took' }).waitFor();
      expect(await page.locator('.uplot canvas').count()).toBe(3);
      expect(row.slice(2, 6)).toEqual(['198.18.0.1', '198.18.0.2', 'UDP', '60']);
      expect(said).toEqual([]);
    });
  });

  it('finds counters by a part of their name', async () => {
    await look(pageOf(sender), { viewport: desktop }, async (page) => {
      await page.locator('#find').fill('good_bytes');
      const names = page.locator('#counters tbody tr:not([hidden]) code');
      expect(await names.allTextContents()).toEqual(['rx_q0_good_bytes', 'tx_q0_good_bytes']);
    });
  });
});

it('vio show rings --svg is a drawing that a browser shows', async () => {
  const path = join(directory, 'telemetry.sock');
  const shown = await listeningBackend([join(directory, 'drawn.sock'), '--telemetry', path]);
  const drawn = new Vio(['run', `path=${join(directory, 'drawn.sock')}`]);
  await drawn.says(/receiveq0/);
  const { stdout } = await new Vio(['show', 'rings', '--svg', path]).ended;
  await drawn.interrupt();
  await shown.interrupt();
  const page = await browser.newPage({ colorScheme: 'dark', viewport: { width: 760, height: 460 } });
  await page.goto(`data:image/svg+xml,${encodeURIComponent(stdout)}`);
  const names = await page.locator('text.name').allTextContents();
  if (screenshots !== undefined) await page.screenshot({ path: join(screenshots, 'svg-dark.png') });
  await page.close();
  expect(names).toEqual(['receiveq0', 'transmitq0']);
});

it('says that the program is gone, and finds the next in its place', async () => {
  const place = join(directory, 'again.sock');
  const first = await listeningBackend([place, '--metrics', '0']);
  const url = pageOf(first);
  const page = await browser.newPage();
  await page.goto(url);
  await page.locator('#live', { hasText: 'live' }).waitFor();
  await first.interrupt();
  await page.locator('#live', { hasText: 'not there' }).waitFor();
  const second = new Vio(['backend', place, '--metrics', new URL(url).port]);
  await page.locator('#program', { hasText: `backend ${second.process.pid}` }).waitFor();
  expect(await page.title()).toBe(`vio backend ${second.process.pid}`);
  await page.close();
  await second.interrupt();
});
