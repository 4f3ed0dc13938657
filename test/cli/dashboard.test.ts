// The dashboard for Grafana: queries that Prometheus understands, of metrics that the exporter has, on a grid that Grafana draws.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parser } from '@prometheus-io/lezer-promql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Vio, listeningBackend } from './vio.ts';

interface Target {
  readonly refId: string;
  readonly expr: string;
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly datasource: object;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly Target[];
}

interface Variable {
  readonly name: string;
  readonly type: string;
  readonly definition?: string;
}

interface Dashboard {
  readonly title: string;
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
}

const file = join(import.meta.dirname, '../../packages/cli/dashboards/vio.json');
const dashboard = JSON.parse(readFileSync(file, 'utf8')) as Dashboard;
const { panels, templating } = dashboard;
const queries = panels.flatMap(({ title, targets }) =>
  targets.map(({ refId, expr }): [string, string] => [`${title} ${refId}`, expr]),
);

/** What Grafana does before Prometheus sees a query. */
function filledIn(query: string): string {
  return query.replaceAll('$__rate_interval', '5m').replaceAll(/\$(instance|port)\b/g, '.*');
}

/** Names of metrics and labels of a query, and where it makes no sense. */
function parse(query: string): { metrics: string[]; labels: string[]; wrong: string[] } {
  const found = { metrics: [] as string[], labels: [] as string[], wrong: [] as string[] };
  parser.parse(query).iterate({
    enter({ type, from, to }) {
      const part = query.slice(from, to);
      if (type.isError) found.wrong.push(`at ${from}: ${part}`);
      else if (type.name === 'VectorSelector') found.metrics.push(/^\w+/.exec(part)?.[0] ?? part);
      else if (type.name === 'LabelName') found.labels.push(part);
    },
  });
  return found;
}

describe('what Grafana reads', () => {
  it('has a name and a version of its format', () => {
    expect(dashboard).toMatchObject({ uid: 'vio', title: 'vio', schemaVersion: expect.any(Number) });
  });

  it('has panels with numbers of their own, and queries with letters of their own', () => {
    const ids = panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { targets } of panels)
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
  });

  it('has panels that do not lie on each other, within 24 columns', () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBeLessThanOrEqual(24);
  });

  it('asks the Prometheus that is chosen', () => {
    expect(templating.list.map(({ name, type }) => [name, type])).toContainEqual([
      'datasource',
      'datasource',
    ]);
    for (const { datasource } of panels)
      expect(datasource).toEqual({ type: 'prometheus', uid: '${datasource}' });
  });

  it('uses variables that it has', () => {
    const names = new Set([...templating.list.map(({ name }) => name), '__rate_interval']);
    const used = queries.flatMap(([, query]) =>
      Array.from(query.matchAll(/\$\{?(\w+)/g), ([, name]) => name),
    );
    expect(used.filter((name) => !names.has(name))).toEqual([]);
  });
});

describe('its queries', () => {
  const directory = mkdtempSync(join(tmpdir(), 'vio-dashboard-'));
  const running: Vio[] = [];
  /** Labels of every metric that a running port and a running backend have. */
  const exported = new Map<string, Set<string>>();

  beforeAll(async () => {
    const socket = join(directory, 'vhost.sock');
    const [ours, theirs] = ['run', 'backend'].map((name) => join(directory, `${name}-metrics.sock`));
    const backend = await listeningBackend([socket, '--metrics', theirs]);
    const port = new Vio(['run', `path=${socket}`, '--metrics', ours]);
    running.push(backend, port);
    await port.says(/receiveq0/);
    for (const socketPath of [ours, theirs]) {
      const scraped = await new Promise<string>((resolve, reject) => {
        const asking = request({ socketPath, path: '/metrics' }, (response) => resolve(text(response)));
        asking.on('error', reject).end();
      });
      for (const [, name, labels = ''] of scraped.matchAll(/^([a-z]\w*)(?:\{(.*)\})? \d+$/gm)) {
        const known = exported.get(name) ?? new Set(['instance', 'job']);
        for (const [, label] of labels.matchAll(/(\w+)="/g)) known.add(label);
        exported.set(name, known);
      }
    }
  });
  afterAll(async () => {
    for (const program of running.toReversed()) await program.interrupt();
    rmSync(directory, { recursive: true });
  });

  it.each(queries)('%s is one, of metrics and labels that there are', (_, query) => {
    const { metrics, labels, wrong } = parse(filledIn(query));
    expect(wrong).toEqual([]);
    expect(metrics).not.toEqual([]);
    expect(metrics.filter((name) => !exported.has(name))).toEqual([]);
    const known = new Set(metrics.flatMap((name) => [...(exported.get(name) ?? [])]));
    expect(labels.filter((label) => !known.has(label))).toEqual([]);
  });

  it.each(
    templating.list.flatMap(({ name, definition }) => (definition === undefined ? [] : [[name, definition]])),
  )('the choices of %s are a label of a metric that there is', (_, definition) => {
    const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(definition) ?? [];
    const { metrics, wrong } = parse(filledIn(selector));
    expect([wrong, metrics.map((name) => exported.get(name)?.has(label))]).toEqual([[], [true]]);
  });
});
