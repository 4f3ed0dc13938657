// The dashboard as Grafana's own types have it: Grafana's schema is published as TypeScript, and the compiler checks a document by it.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const tsc = join(root, 'node_modules/typescript/bin/tsc');
const schema = dirname(createRequire(import.meta.url).resolve('@grafana/schema/package.json'));
const directory = mkdtempSync(join(tmpdir(), 'vio-grafana-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Panel {
  title: string;
  type: string;
  gridPos?: object;
  options?: Record<string, unknown>;
  fieldConfig: { defaults: { custom?: Record<string, unknown>; unit?: unknown } };
}

interface Dashboard {
  schemaVersion?: number;
  panels: Panel[];
  templating: { list: { type: string }[] };
}

const file = join(root, 'packages/cli/dashboards/vio.json');
const dashboard = (): Dashboard => JSON.parse(readFileSync(file, 'utf8')) as Dashboard;

/** Of what is a table or a text the schema of panels says nothing; these have one, by Grafana's name of it. */
const panelTypes: Readonly<Record<string, string>> = {
  stat: 'stat/panelcfg/x',
  table: 'table/panelcfg/x',
  timeseries: 'timeseries/panelcfg/x',
};

/** A program that has the document as a value of Grafana's type, and what each panel leaves to its plugin as one of the plugin's. */
function program(document: Dashboard): string {
  const plugins = [...new Set(document.panels.map(({ type }) => type))];
  return [
    "import type { Dashboard, VariableModel } from '@grafana/schema';",
    "import type { QueryVariableSpec } from '@grafana/schema/v2';",
    ...plugins.map(
      (type) => `import type * as ${type} from '@grafana/schema/composable/${panelTypes[type]}';`,
    ),
    // In JSON a value of an enum is what it stands for. What is left out is as the plugin has it.
    'type InJson<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: InJson<T[K]> } : T;',
    'type Some<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]?: Some<T[K]> } : T;',
    // What the list of variables shows of a query is written down in either version of the format, and only the second tells its type.
    'type Variable = VariableModel & Pick<QueryVariableSpec, "definition">;',
    'type Document = Omit<Dashboard, "templating"> & { templating?: { list?: Variable[] } };',
    `export const whole: InJson<Document> = ${JSON.stringify(document, undefined, 2)};`,
    ...document.panels.flatMap(({ type, options, fieldConfig: { defaults } }, i) => [
      `export const options${i}: Some<InJson<${type}.Options>> = ${JSON.stringify(options ?? {})};`,
      ...(defaults.custom === undefined
        ? []
        : [
            `export const custom${i}: Some<InJson<${type}.FieldConfig>> = ${JSON.stringify(defaults.custom)};`,
          ]),
    ]),
  ].join('\n');
}

/** What the compiler says of it; empty: nothing is wrong. */
async function compiled(name: string, document: Dashboard): Promise<string> {
  const project = join(directory, name);
  writeFileSync(`${project}.ts`, program(document));
  const compilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: 'ES2023',
    module: 'ESNext',
    moduleResolution: 'bundler',
    types: [],
    paths: {
      '@grafana/schema': [join(schema, 'dist/types/index.d.ts')],
      '@grafana/schema/v2': [join(schema, 'dist/types/schema/dashboard/v2/types.spec.gen.d.ts')],
      '@grafana/schema/composable/*': [join(schema, 'dist/types/raw/composable/*/types.gen.d.ts')],
    },
  };
  writeFileSync(`${project}.json`, JSON.stringify({ compilerOptions, files: [`${project}.ts`] }));
  return run(process.execPath, [tsc, '-p', `${project}.json`]).then(
    () => '',
    ({ stdout }: { stdout: string }) => stdout,
  );
}

describe("Grafana's schema", () => {
  it('has the dashboard, with what its panels leave to their plugins', async () => {
    expect(await compiled('whole', dashboard())).toBe('');
  });

  it.each([
    ['a field that there is not', (wrong: Dashboard) => Object.assign(wrong, { panles: [] })],
    ['no version', (wrong: Dashboard) => delete wrong.schemaVersion],
    ['a grid without places', (wrong: Dashboard) => (wrong.panels[0].gridPos = { w: 4, h: 4 })],
    ['a unit that is a number', (wrong: Dashboard) => (wrong.panels[0].fieldConfig.defaults.unit = 7)],
    ['a variable of no kind', (wrong: Dashboard) => (wrong.templating.list[0].type = 'qeury')],
    [
      'an option that its plugin does not know',
      (wrong: Dashboard) => (wrong.panels[0].options = { colourMode: 'value' }),
    ],
    [
      'a value that it does not know',
      (wrong: Dashboard) => (wrong.panels[0].options = { colorMode: 'blue' }),
    ],
  ])('refuses one with %s', async (how, spoil) => {
    const document = dashboard();
    spoil(document);
    expect(await compiled(how.replaceAll(' ', '-'), document)).toMatch(/error TS\d+/);
  });
});
