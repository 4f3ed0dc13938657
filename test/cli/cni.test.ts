// The plugin as it is installed: a file without suffix, and a copy of Node named in its first line; and an application in a
// container's place, without any privilege.
import { spawn } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { macToBytes } from '@vio/net';
import { openVirtioUser } from '@vio/virtio-user';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Vio } from './vio.ts';

const bundle = fileURLToPath(new URL('../../packages/cni/dist/vio-cni.cjs', import.meta.url));
const virtioUser = import.meta.resolve('@vio/virtio-user');

let directory: string;
let daemon: Vio;
const at = (file: string): string => join(directory, file);

interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
}

async function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  stdin = '',
): Promise<Ended> {
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(stdin);
  const stdout = text(child.stdout);
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { exitCode, stdout: await stdout };
}

async function startSwitch(): Promise<void> {
  daemon = new Vio(['switch', 'run', '--config', at('switch.yaml'), '--json']);
  await daemon.says(/"ready"/);
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'vio-cni-'));
  const config = {
    control: at('control.sock'),
    state: at('state.json'),
    bridges: [{ name: 'br0' }],
    ports: [],
  };
  writeFileSync(at('switch.yaml'), JSON.stringify(config));
  mkdirSync(at('bin'));
  symlinkSync(process.execPath, at('bin/node'));
  writeFileSync(at('bin/vio-cni'), readFileSync(bundle, 'utf8').replace(/^#!.*/, `#!${at('bin/node')}`));
  chmodSync(at('bin/vio-cni'), 0o755);
  await startSwitch();
});
afterEach(async () => {
  await daemon.interrupt('SIGTERM');
  rmSync(directory, { recursive: true });
});

/** As a kubelet calls it: nothing in the environment but its parameters. */
function cni(command: string, container: string, more: object = {}): Promise<Ended> {
  const conf = {
    cniVersion: '1.1.0',
    name: 'fast',
    type: 'vio-cni',
    bridge: 'br0',
    control: at('control.sock'),
    ...more,
  };
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: container,
    CNI_NETNS: '/proc/self/ns/net',
    CNI_IFNAME: 'net1',
    CNI_ARGS: `K8S_POD_UID=${container}`,
    CNI_PATH: at('bin'),
  };
  return run(at('bin/vio-cni'), [], env, JSON.stringify({ socketDir: at('pods/{podUid}'), ...conf }));
}

describe('the plugin on a node', () => {
  it('needs no Node in the PATH', async () => {
    const { exitCode, stdout } = await cni('VERSION', '');
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([
      0,
      { supportedVersions: ['0.4.0', '1.0.0', '1.1.0'] },
    ]);
  });

  it('says an error as the specification wants it, and ends with 1', async () => {
    const { exitCode, stdout } = await cni('ADD', 'c1', { vlan: 5000 });
    expect([exitCode, JSON.parse(stdout)]).toEqual([
      1,
      { cniVersion: '1.1.0', code: 7, msg: expect.stringContaining('vlan'), details: expect.any(String) },
    ]);
  });

  it('called twice at once for one container makes one port, and takes it away as often as it is asked to', async () => {
    const added = await Promise.all([cni('ADD', 'c1'), cni('ADD', 'c1')]);
    const codes = added.map(({ stdout }) => (JSON.parse(stdout) as { code?: number }).code ?? 0);
    expect(codes.toSorted((a, b) => a - b)).toEqual([0, 100]);
    expect(readdirSync(at('pods/c1')).toSorted()).toEqual(['net1.json', 'net1.sock']);
    const deleted = await Promise.all([cni('DEL', 'c1'), cni('DEL', 'c1')]);
    expect(deleted.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(readdirSync(at('pods/c1'))).toEqual([]);
  });

  it('says that it is to be called later while the switch stands still, or is gone, and leaves nothing', async () => {
    daemon.process.kill('SIGSTOP');
    const late = await cni('ADD', 'c1', { timeout: 300 });
    daemon.process.kill('SIGKILL');
    await daemon.ended;
    const gone = await cni('ADD', 'c1');
    expect([late, gone].map(({ stdout }) => JSON.parse(stdout))).toMatchObject([{ code: 11 }, { code: 11 }]);
    expect(readdirSync(at('pods/c1')).filter((file) => file.endsWith('.json'))).toEqual([]);
    await startSwitch();
    await cni('DEL', 'c1');
    expect([(await cni('ADD', 'c1')).exitCode, (await cni('DEL', 'c1')).exitCode]).toEqual([0, 0]);
  });

  it('gives containers ports that a killed switch has again, and takes them back', async () => {
    for (const container of ['c1', 'c2']) expect((await cni('ADD', container)).exitCode).toBe(0);
    daemon.process.kill('SIGKILL');
    await daemon.ended;
    await startSwitch();
    // Both sides of a node that starts anew: what is valid stays, the rest is collected.
    await cni('GC', '', { 'cni.dev/valid-attachments': [{ containerID: 'c2', ifname: 'net1' }] });
    expect(readdirSync(at('pods/c1')).filter((file) => file.endsWith('.sock'))).toEqual([]);
    expect(readdirSync(at('pods/c2')).toSorted()).toEqual(['net1.json', 'net1.sock']);
    expect((await cni('DEL', 'c2')).exitCode).toBe(0);
    expect(readdirSync(at('pods/c2'))).toEqual([]);
  });
});

describe('an application in a container', () => {
  it('without any privilege opens what it was given, and talks to another one', async () => {
    for (const container of ['c1', 'c2']) await cni('ADD', container);
    const program = `
      const { openVirtioUser } = await import(${JSON.stringify(virtioUser)});
      const port = await openVirtioUser();
      for await (const frame of port.packets()) {
        const answer = Uint8Array.from(frame);
        answer.set(frame.subarray(6, 12), 0);
        answer.set(frame.subarray(0, 6), 6);
        await port.send(answer);
        break;
      }
      console.log(port.mac);
      await port.close();
    `;
    writeFileSync(at('app.mjs'), program);
    const command = [process.execPath, at('app.mjs')];
    // Root without capabilities is like the others, and still reads this checkout.
    const plain = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs', ...command];
    const [first, ...args] = process.getuid?.() === 0 ? plain : command;
    const info = JSON.parse(readFileSync(at('pods/c2/net1.json'), 'utf8')) as { vio: { mac: string } };
    const app = run(first, args, { PATH: process.env['PATH'], VIO_DEVICE_INFO: at('pods/c2/net1.json') });
    await using port = await openVirtioUser({ path: at('pods/c1/net1.sock') });
    const question = Buffer.alloc(60);
    question.set(macToBytes(info.vio.mac), 0);
    question.set(macToBytes(port.mac), 6);
    question.write('bit for bit', 20);
    const answers = port.packets();
    // The application may not be there yet.
    const asking = setInterval(() => void port.send(question).catch(() => {}), 50);
    const { value } = await answers.next();
    clearInterval(asking);
    expect(Buffer.from(value ?? []).subarray(12)).toEqual(question.subarray(12));
    expect(await app).toEqual({ exitCode: 0, stdout: `${info.vio.mac}\n` });
  });
});
