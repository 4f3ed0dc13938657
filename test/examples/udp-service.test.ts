// The DNS responder behind a switch, asked by a port of this process.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VioSwitch, parseConfig } from '@vio/switch';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';

const program = fileURLToPath(new URL('../../examples/udp-service/dist/main.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'vio-udp-'));
const socket = (name: string): string => join(directory, `${name}.sock`);

let fabric: VioSwitch;
let service: ChildProcess;
let port: VirtioUserPort;

beforeEach(async () => {
  const ports = ['server', 'client', 'asking'].map((name) => ({ name, bridge: 'br0', socket: socket(name) }));
  fabric = await VioSwitch.start(parseConfig({ bridges: [{ name: 'br0' }], ports }));
  service = spawn(process.execPath, [program, 'serve', '10.56.0.1'], {
    env: { ...process.env, VIO_DEVARGS: `path=${socket('server')}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (service.stdout !== null) await once(service.stdout, 'data');
  port = await openVirtioUser({ path: socket('client') });
});
afterEach(async () => {
  service.kill('SIGTERM');
  if (service.exitCode === null) await once(service, 'close');
  await port.close();
  await fabric.close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function ask(name: string): Promise<string> {
  const child = spawn(process.execPath, [program, 'ask', '10.56.0.2', '10.56.0.1', name], {
    env: { ...process.env, VIO_DEVARGS: `path=${socket('asking')}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  return once(child, 'close').then(() => said);
}

/** A question of the client as a frame, to a server whose address is known; any byte may be another. */
function question(change: (frame: Buffer) => Buffer | void): Buffer {
  const query = Buffer.from('000101000001000000000000037777770376696404746573740000010001', 'hex');
  const frame = Buffer.alloc(42 + query.length);
  frame.fill(0xff, 0, 6);
  frame.set([2, 0, 0, 0, 0, 9], 6);
  frame.writeUInt16BE(0x0800, 12);
  frame.writeUInt16BE(0x4500, 14);
  frame.writeUInt16BE(28 + query.length, 16);
  frame.writeUInt16BE(0x4011, 22);
  frame.set([10, 56, 0, 9, 10, 56, 0, 1], 26);
  frame.writeUInt16BE(9999, 34);
  frame.writeUInt16BE(53, 36);
  frame.writeUInt16BE(8 + query.length, 38);
  query.copy(frame, 42);
  const changed = change(frame) ?? frame;
  if (changed.length < 34) return changed;
  changed.writeUInt16BE(0, 24);
  let sum = 0;
  for (let i = 14; i < 34; i += 2) sum += changed.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  changed.writeUInt16BE(~sum & 0xffff, 24);
  return changed;
}

describe('udp-service', () => {
  it.each([
    ['www.vio.test', '10.56.0.80'],
    ['db.vio.test', '10.56.0.81'],
    ['nobody.vio.test', 'no such name'],
  ])('answers for %s: %s', async (name, answer) => {
    expect(await ask(name)).toBe(`${name}: ${answer}\n`);
  });

  it.each<[string, (frame: Buffer) => Buffer | void]>([
    ['that ends in its headers', (frame) => frame.subarray(0, 20)],
    ['that ends in its name', (frame) => frame.subarray(0, 58)],
    ['whose UDP length is too large', (frame) => void frame.writeUInt16BE(0xffff, 38)],
    ['whose UDP length is too small', (frame) => void frame.writeUInt16BE(3, 38)],
    ['whose IP length is too small', (frame) => void frame.writeUInt16BE(1, 16)],
    ['whose name points to itself', (frame) => void frame.writeUInt16BE(0xc00c, 54)],
    ['whose name has no end', (frame) => void frame.fill(0x3f, 54)],
    ['of a thousand questions', (frame) => void frame.writeUInt16BE(1000, 46)],
    ['that is an answer itself', (frame) => void frame.writeUInt16BE(0x8180, 44)],
    ['that is a fragment', (frame) => void frame.writeUInt16BE(0x2000, 20)],
  ])('goes on after a question %s', async (_, change) => {
    await port.send(question(change));
    expect(await ask('www.vio.test')).toBe('www.vio.test: 10.56.0.80\n');
  });
});
