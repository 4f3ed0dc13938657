// `vio switch` as a daemon, asked by `vio switch` as a client.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { openVirtioUser } from '@vio/virtio-user';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vioProgram } from '../support/vio-program.ts';
import { Vio, jsonLines, vio } from './vio.ts';

let directory: string;
let daemon: Vio | null = null;
let workers = 1;
const at = (file: string): string => join(directory, file);

function configure(...ports: object[]): void {
  const config = {
    control: at('control.sock'),
    state: at('state.json'),
    http: 0,
    workers,
    bridges: [{ name: 'br0' }],
    ports,
  };
  writeFileSync(at('switch.yaml'), JSON.stringify(config));
}

const port = (name: string): object => ({ name, bridge: 'br0', socket: at(`${name}.sock`) });

async function start(): Promise<Vio> {
  daemon = new Vio(['switch', 'run', '--config', at('switch.yaml'), '--json']);
  await daemon.says(/"ready"/);
  return daemon;
}

const ask = (...args: string[]) => vio('switch', ...args, '--control', at('control.sock'));

/** Asks by HTTP. @param until the answer is left once it looks like this; default: it is read to its end */
function get(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  until?: RegExp,
): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const asking = request(url, { headers, agent: false }, (response) => {
      const { statusCode: status } = response;
      let body = '';
      response.setEncoding('utf8').on('data', (more: string) => {
        body += more;
        if (until?.test(body) !== true) return;
        resolve({ status, body });
        asking.destroy();
      });
      response.on('end', () => resolve({ status, body }));
    });
    asking.on('error', reject).end();
  });
}

/** Says something to a socket. @returns the first lines that come back */
async function tell(path: string, text: string, count: number): Promise<unknown[]> {
  const socket = connect(path);
  socket.write(text);
  const found: unknown[] = [];
  for await (const line of createInterface({ input: socket })) {
    found.push(JSON.parse(line));
    if (found.length === count) break;
  }
  socket.destroy();
  return found;
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vio-switch-cli-'));
});
afterEach(async () => {
  await daemon?.interrupt('SIGTERM');
  daemon = null;
  rmSync(directory, { recursive: true });
});

describe.each([1, 2])('vio switch on %d threads', (count) => {
  beforeEach(() => {
    workers = count;
  });

  it('forwards between its ports, tells what it counted, and ends with 0 and no socket left', async () => {
    configure(port('a'), port('b'));
    const running = await start();
    const [a, b] = [
      await openVirtioUser({ path: at('a.sock') }),
      await openVirtioUser({ path: at('b.sock') }),
    ];
    const arrived = b.packets().next();
    const frame = Uint8Array.from({ length: 60 }, (_, i) => (i < 6 ? 0xff : i));
    frame[6] = 2;
    await a.send(frame);
    expect((await arrived).value).toEqual(frame);
    const macs = await ask('show', 'macs');
    const counters = await ask('show', 'counters', '--json');
    await a.close();
    await b.close();
    const { exitCode, stderr } = await running.interrupt('SIGTERM');
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(macs.stdout).toMatch(/br0 +0 +02:07:08:09:0a:0b +a/);
    expect(jsonLines(counters)).toMatchObject([{ counters: { a: { rx_frames: 1 }, b: { tx_frames: 1 } } }]);
    expect(['a.sock', 'b.sock', 'control.sock'].filter((file) => existsSync(at(file)))).toEqual([]);
  });

  it('takes ports that are added and deleted, and has them again after it was killed', async () => {
    configure(port('a'));
    const running = await start();
    await ask('add', JSON.stringify(port('b')));
    await ask('add', JSON.stringify(port('c')));
    const deleted = await ask('delete', 'c');
    expect([deleted.stdout, (await ask('delete', 'c')).stdout]).toEqual([
      'port c is deleted\n',
      'there was no port c\n',
    ]);
    running.process.kill('SIGKILL');
    await running.ended;
    await start();
    const { stdout } = await ask('show', 'ports');
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ +/).slice(0, 3)),
    ).toEqual([
      ['name', 'bridge', 'origin'],
      ['a', 'br0', 'config'],
      ['b', 'br0', 'control'],
    ]);
  });

  it('reads its configuration anew at SIGHUP, and keeps it when the new one is wrong', async () => {
    configure(port('a'));
    const running = await start();
    configure(port('a'), port('b'));
    running.process.kill('SIGHUP');
    await running.says(/"reloaded".*"added":\["b"\]/);
    writeFileSync(at('switch.yaml'), 'bridges: [');
    running.process.kill('SIGHUP');
    await running.says(/"trouble".*VIO_SWITCH_CONFIG/);
    expect(jsonLines(await ask('show', 'ports', '--json')).map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('serves its health and its counters', async () => {
    configure(port('a'));
    const running = await start();
    const [{ http }] = jsonLines<{ http: string }>({ exitCode: 0, stdout: running.stdout, stderr: '' });
    const health = await fetch(`${http}/health`);
    const metrics = await (await fetch(`${http}/metrics`)).text();
    expect([health.status, await health.json()]).toMatchObject([
      200,
      { status: 'ok', ports: 1, connected: 0 },
    ]);
    expect(metrics).toMatch(/^vio_switch_rx_frames_total\{port="a"\} 0$/m);
    expect(metrics).toMatch(/^vio_link_up\{port="a"\} 0$/m);
  });

  it('shows its ports on a live page, to those who asked for it by a name of this machine', async () => {
    configure(port('a'));
    const running = await start();
    const [{ page }] = jsonLines<{ page: string }>({ exitCode: 0, stdout: running.stdout, stderr: '' });
    const [html, stranger] = [await get(page), await get(page, { host: 'elsewhere.example' })];
    const { body } = await get(`${page}live`, {}, /^event: look\ndata: .*$/m);
    const look: unknown = JSON.parse(/^event: look\ndata: (.*)$/m.exec(body)?.[1] ?? '{}');
    expect([html.status, html.body, stranger.status]).toEqual([
      200,
      expect.stringContaining('<title>vio</title>'),
      421,
    ]);
    expect(look).toMatchObject({
      ports: [{ name: 'a', kind: 'switch port', up: false }],
      port: { stats: { switch_rx_frames: 0 } },
    });
  });

  it('can be looked at where vio top looks, and not changed, when it has no control socket', async () => {
    const config = { bridges: [{ name: 'br0' }], ports: [port('a')] };
    writeFileSync(at('switch.yaml'), JSON.stringify(config));
    const run = ['switch', 'run', '--config', at('switch.yaml'), '--json'];
    const beside = { XDG_RUNTIME_DIR: directory };
    // The first that runs has the control socket that is looked for.
    writeFileSync(at('first.yaml'), JSON.stringify({ bridges: [{ name: 'br0' }] }));
    const first = new Vio(['switch', 'run', '--config', at('first.yaml'), '--json'], beside);
    await first.says(/"ready"/);
    const running = new Vio(run, beside);
    daemon = running;
    await running.says(/"ready"/);
    const root = process.getuid?.() === 0;
    const place = join(root ? '/run' : directory, 'vio', `switch-${running.process.pid}.sock`);
    const answers = await tell(place, '/vio/snapshot\n{"method":"delete-port","params":{"name":"a"}}\n', 3);
    await running.interrupt('SIGTERM');
    expect(answers).toMatchObject([
      { command: 'switch' },
      { result: { ports: [{ name: 'a', kind: 'switch port' }] } },
      { error: { code: 'VIO_TELEMETRY_COMMAND' } },
    ]);
    daemon = new Vio([...run, '--no-telemetry'], beside);
    await daemon.says(/"ready"/);
    const none = join(root ? '/run' : directory, 'vio', `switch-${daemon.process.pid}.sock`);
    await first.interrupt('SIGTERM');
    expect([existsSync(place), existsSync(none)]).toEqual([false, false]);
  });

  it('uses no CPU while nobody sends', async () => {
    configure(port('a'), port('b'));
    const running = await start();
    const ports = [
      await openVirtioUser({ path: at('a.sock') }),
      await openVirtioUser({ path: at('b.sock') }),
    ];
    // Context switches do not depend on how fast the machine is: a loop that polls has thousands, one that sleeps a few timers.
    const switches = (): number =>
      Number(
        /^voluntary_ctxt_switches:\s+(\d+)/m.exec(
          readFileSync(`/proc/${running.process.pid}/status`, 'utf8'),
        )?.[1],
      );
    const ticks = (): number =>
      Number(readFileSync(`/proc/${running.process.pid}/stat`, 'utf8').split(' ')[13]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = [switches(), ticks()];
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const used = [switches() - before[0], ticks() - before[1]];
    for (const one of ports) await one.close();
    expect(used[0]).toBeLessThan(100);
    expect(used[1]).toBeLessThan(20);
  });
});

describe('vio switch that cannot', () => {
  beforeEach(async () => {
    configure();
    await start();
  });

  it.each([
    ['a port that is no JSON', ['add', 'nonsense'], 2, 'VIO_CLI_USAGE'],
    ['a port that is wrong', ['add', '{"name":"x","bridge":"br0"}'], 1, 'VIO_SWITCH_CONFIG'],
    ['something that cannot be shown', ['show', 'weather'], 2, 'VIO_CLI_USAGE'],
    ['no switch', ['show', 'ports', '--control', '/nowhere'], 1, 'VIO_SWITCH_AWAY'],
  ])('says what to do about %s', async (_, args, exitCode, code) => {
    const ended = args.includes('--control') ? await vio('switch', ...args) : await ask(...args);
    expect([ended.exitCode, ended.stderr]).toEqual([exitCode, expect.stringContaining(code)]);
    expect(ended.stderr).toContain('remedy:');
  });

  it.each([
    ['no file', null, 'VIO_SWITCH_CONFIG'],
    ['no bridges', '{}', 'VIO_SWITCH_CONFIG'],
    ['a file that is neither YAML nor JSON', '{]', 'VIO_SWITCH_CONFIG'],
    ['a bridge twice', 'bridges: [{name: a}, {name: a}]', 'VIO_SWITCH_CONFIG'],
    [
      'a port of no bridge',
      'bridges: [{name: a}]\nports: [{name: p, bridge: b, socket: /tmp/p}]',
      'VIO_SWITCH_CONFIG',
    ],
    ['an address nobody has', 'bridges: [{name: a}]\nhttp: 192.0.2.1:80', 'VIO_SWITCH_HTTP'],
  ])('does not start with %s', async (_, content, code) => {
    const file = at('other.yaml');
    if (content !== null) writeFileSync(file, content);
    const ended = await vio('switch', 'run', '--config', file);
    expect([ended.exitCode, ended.stderr]).toEqual([1, expect.stringContaining(code)]);
  });
});

it('that was told of no control socket has it where it is looked for, the first of those that run', async () => {
  writeFileSync(at('plain.json'), JSON.stringify({ bridges: [{ name: 'br7' }] }));
  const node = `${process.execPath} ${vioProgram}`;
  const begin = (said: string): string =>
    `${node} switch run --config ${at('plain.json')} --json >${at(said)} & ` +
    `for i in $(seq 400); do grep -q ready ${at(said)} && break; sleep 0.05; done`;
  const script = `${begin('first')}; ${begin('second')}; ${node} switch show bridges --json; kill %1 %2; wait`;
  // Root has its sockets in /run/vio, where those of others may be.
  const alone = ['unshare', '--mount', 'sh', '-c', `mount -t tmpfs none /run && exec bash -c "$1"`, 'sh'];
  const [program, ...args] = [...(process.getuid?.() === 0 ? alone : ['bash', '-c']), script];
  const { stdout } = await promisify(execFile)(program, args, {
    env: { ...process.env, XDG_RUNTIME_DIR: directory },
  });
  const controls = ['first', 'second'].map(
    (said) =>
      (JSON.parse(readFileSync(at(said), 'utf8').split('\n')[0]) as { control: string | null }).control,
  );
  expect(JSON.parse(stdout)).toMatchObject({ name: 'br7' });
  expect(controls).toEqual([expect.stringMatching(/\/switch\.sock$/), null]);
});

it.each(['vio-switch.service', 'vio-switch.socket', 'vio-switch-metrics.socket'])(
  'has a unit %s that systemd would take',
  (file) => {
    // Only its form: whether systemd is installed is the machine's business.
    const unit = readFileSync(new URL(`../../packages/switch/systemd/${file}`, import.meta.url), 'utf8');
    const lines = unit.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const wrong = lines.filter((line) => !/^(\[(Unit|Service|Socket|Install)\]|[A-Z]\w+=.*)$/.test(line));
    expect(wrong).toEqual([]);
  },
);
