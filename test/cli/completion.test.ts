// What shells complete, and the man page: both are made of the commands, so that nothing is missing in them.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { vio } from './vio.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-completion-'));
afterAll(() => rmSync(directory, { recursive: true }));

const scripts: Record<string, string> = {};
beforeAll(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) scripts[shell] = (await vio('completion', shell)).stdout;
});

/** Every command that help names, with its options. */
async function commands(...path: string[]): Promise<{ path: string[]; options: string[] }[]> {
  const { stdout } = await vio(...path, '--help');
  const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, name]) => name);
  const [, below = ''] = stdout.split(/^Commands:$/m);
  const names = [...below.split(/^\S/m)[0].matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name);
  const nested = await Promise.all(
    names.filter((name) => name !== 'help').map((name) => commands(...path, name)),
  );
  return [{ path, options }, ...nested.flat()];
}

/** What bash offers at the end of a line. */
function inBash(line: string): string[] {
  const file = join(directory, 'vio.bash');
  writeFileSync(file, scripts['bash']);
  const program = `source ${file}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vio; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', program, 'bash', ...line.split(' ')], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return stdout.split('\n').filter((word) => word !== '');
}

const forwardModes = `io macswap rxonly txonly flowgen mac csum checksum icmpecho 5tswap`.split(' ');

describe('in bash', () => {
  it.each([
    ['vio ba', ['backend']],
    ['vio switch ', ['run', 'add', 'delete', 'show', 'flush', 'reload', 'help']],
    ['vio switch show m', ['macs']],
    ['vio run --forward-mode ', forwardModes],
    ['vio run --port-topology ', ['paired', 'chained', 'loop']],
    ['vio run --forward-mode = t', ['txonly']],
    ['vio run path=/x --forward-mode tx', ['txonly']],
    ['vio completion ', ['bash', 'zsh', 'fish']],
    ['vio doctor --ex', ['--expect-backend']],
    ['vio switch run --co', ['--config', '--control']],
    ['vio --ver', ['--version']],
  ])('%j is completed', (line, words) => {
    expect(inBash(line)).toEqual(words);
  });

  it.each(['vio run ', 'vio run --pcap ', 'vio backend /tmp/'])('%j is left to files', (line) => {
    expect(inBash(line)).toEqual([]);
  });
});

describe('a script', () => {
  it.each(['bash', 'zsh', 'fish'])('for %s knows every command and every option', async (shell) => {
    const all = await commands();
    expect(all.length).toBeGreaterThan(12);
    for (const { path, options } of all) {
      const where = ['vio', ...path].join(shell === 'zsh' ? '_' : ' ');
      const lines = scripts[shell]
        .split(shell === 'zsh' ? /^_/m : '\n')
        .filter((each) => each.includes(where));
      expect(lines.length).toBeGreaterThan(0);
      const spoken = shell === 'fish' ? options.map((name) => `-l ${name.slice(2)} `) : options;
      expect(spoken.filter((name) => !lines.some((each) => each.includes(name)))).toEqual([]);
    }
  });

  it('for zsh closes every quote and bracket, whatever descriptions say', () => {
    const specs = scripts['zsh'].match(/^ {2,4}(?:_arguments (?:-C )?)?'-.*$/gm) ?? [];
    const whole =
      /^ +(?:_arguments (?:-C )?)?'-[\w-]+\[(?:\\.|'\\''|[^\\[\]':])*\](?::(?:\\.|[^':])+:[^':]+)?'(?: \\)?$/;
    expect(specs.length).toBeGreaterThan(50);
    expect(specs.filter((spec) => !whole.test(spec))).toEqual([]);
  });

  it('there is for no other shell', async () => {
    const { exitCode, stderr } = await vio('completion', 'tcsh');
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('bash, zsh, fish')]);
  });
});

describe('the man page', () => {
  it('names every command and every option', async () => {
    const { exitCode, stdout } = await vio('man');
    const text = stdout.replaceAll('\\-', '-');
    const missing = (await commands()).flatMap(({ path, options }) => [
      ...(path.length === 0 || text.includes(`.SS ${['vio', ...path].join(' ')}\n`) ? [] : [path.join(' ')]),
      ...options.filter((name) => !text.includes(name)),
    ]);
    expect([exitCode, missing]).toEqual([0, []]);
  });

  it('comes with the package', async () => {
    const packageFile = (name: string): string =>
      readFileSync(new URL(`../../packages/cli/${name}`, import.meta.url), 'utf8');
    const { man } = JSON.parse(packageFile('package.json')) as { man: string };
    expect(packageFile(man)).toBe((await vio('man')).stdout);
  });

  it('has no line that is taken for a request without being one', async () => {
    const { stdout } = await vio('man');
    const requests = [...stdout.matchAll(/^[.'](\S*)/gm)].map(([, name]) => name);
    expect([...new Set(requests)].toSorted()).toEqual(
      ['B', 'I', 'PP', 'SH', 'SS', 'TH', 'TP', 'br', 'fi', 'nf'].toSorted(),
    );
  });
});
