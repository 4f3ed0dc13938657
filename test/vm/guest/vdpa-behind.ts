// A backend that hands its frontends to a vDPA device: what is to be seen of it, whatever the device is.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SharedMemory, UnixStream } from '@vio/native';
import { type DevicePort, openPort } from '@vio/net';
import { MemoryMap, Region, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { ScriptedDriver } from '@vio/rings/testing';
import { EventFd } from '@vio/native';
import {
  FrontendDevice,
  VHOST_F_LOG_ALL,
  VhostDriver,
  VhostUserFrontend,
  type VdpaDevice,
  wire,
} from '@vio/vhost';
import { ScriptedFrontend, type VdpaUnderTest, describeVdpaCompliance } from '@vio/vhost/testing';
import { until } from '@vio/test-support/plain';
import { openVirtioUser } from '@vio/virtio-user';
import { runSuites } from './suite.ts';

const { frontendRequests: requests } = wire;
/** A guest without acceleration on a busy machine takes its time. */
const patient = { timeout: 30_000 };

/**
 * The suite of vDPA devices. @param whole with that of ports behind them, which takes a guest minutes
 * @returns what came of every test
 */
export function suite(create: () => Promise<VdpaUnderTest>, whole: boolean): Promise<Record<string, string>> {
  return runSuites(({ describe, it }) =>
    describeVdpaCompliance('device', create, {
      describe: (name, body) =>
        whole || name.endsWith('as a vDPA device') ? describe(name, body) : undefined,
      it,
    }),
  );
}

/** A backend on a socket of its own, whose frontends a device works for. */
export class Behind implements AsyncDisposable {
  readonly path: string;
  readonly driver: VhostDriver;
  /** Why connections ended, by code. */
  readonly ended: string[] = [];
  readonly #directory = mkdtempSync('/tmp/vio-vdpa-');

  static async start(device: VdpaDevice): Promise<Behind> {
    const behind = new Behind(device);
    await behind.driver.start();
    return behind;
  }

  private constructor(device: VdpaDevice) {
    this.path = join(this.#directory, 'vdpa.sock');
    this.driver = VhostDriver.register(this.path);
    this.driver.attachVdpaDevice(device);
    this.driver.callbacks({ destroyConnection: (_, { code }) => void this.ended.push(code) });
  }

  async port(queues = 1): Promise<DevicePort> {
    return openPort(new FrontendDevice(await VhostUserFrontend.connect(this.path)), { queues });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.driver.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/**
 * `vio backend SOCKET --vdpa DEVICE`, a frame that comes back, and an interrupt.
 * @param device PCI address, or path of a vhost-vdpa device
 */
export async function byCommand(
  device: string,
): Promise<{ handed: boolean; same: boolean; exitCode: number | null }> {
  const path = '/tmp/vio-vdpa-command.sock';
  const child = spawn(
    process.execPath,
    [process.argv[1], 'vio', 'backend', path, '--vdpa', device, '--no-telemetry'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(child, 'exit') as Promise<[number | null]>;
  try {
    // Beside another guest, neither with acceleration, starting a program takes half a minute.
    await until(() => existsSync(path) || child.exitCode !== null, 120_000);
    const port = await openVirtioUser(`net_virtio_user0,path=${path}`);
    const frame = new Uint8Array(60).fill(0xff);
    frame.set([0x88, 0xb5], 12);
    await port.send(frame, { timeout: patient.timeout });
    let same = false;
    for await (const got of port.packets({ signal: AbortSignal.timeout(patient.timeout) })) {
      if (got[12] !== 0x88 || got[13] !== 0xb5) continue;
      same = Buffer.compare(got, frame) === 0;
      break;
    }
    await port.close();
    child.kill('SIGINT');
    const [exitCode] = await ended;
    return { handed: said.includes(`frontends are handed to ${device}`), same, exitCode };
  } finally {
    // Whoever comes next wants the device.
    child.kill('SIGKILL');
    await ended;
    rmSync(path, { force: true });
  }
}

/** Frames of DPDK's virtio-user that came back, when it sends a burst and forwards what it receives. */
export async function testpmd(
  path: string,
): Promise<{ received: number; sent: number; more: boolean; said: string }> {
  const child = spawn(
    'dpdk-testpmd',
    [
      ['--lcores', '(0-1)@0', '--no-huge', '-m', '64', '--no-pci', '--file-prefix', 'viovdpa'],
      ['--vdev', `net_virtio_user0,path=${path},queues=1,queue_size=256`, '--'],
      ['-i', '--forward-mode=io', '--total-num-mbufs=4096'],
    ].flat(),
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  const said = collect(child);
  const command = (line: string): void => void child.stdin?.write(`${line}\n`);
  await until(() => said().includes('testpmd>'), 40_000);
  command('start tx_first');
  await until(() => false, 4000);
  command('stop');
  command('show port stats 0');
  await until(() => /RX-packets/.test(said()), 20_000);
  await until(() => false, 500);
  command('quit');
  await new Promise((resolve) => child.once('exit', resolve));
  const text = said();
  const number = (name: string): number => Number(new RegExp(`${name}: *(\\d+)`).exec(text)?.[1] ?? -1);
  const [received, sent] = [number('RX-packets'), number('TX-packets')];
  // More than the first burst: what came back went out again.
  return { received, sent, more: received > 32, said: text.slice(-1500) };
}

function collect(child: ChildProcess): () => string {
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => (said += text));
  }
  return () => said;
}

const pieceBytes = 0x4_0000;
const guestBase = 0x1000_0000;
const userBase = 0x7f00_0000_0000;
const size = 64;
const frameBytes = 100;
const headerBytes = 12;
const pageBytes = 4096;

/**
 * A driver whose guest is moved while frames go out and come back: what comes back has to be where it is, and in the log.
 * @returns how many frames came back before, during and after, and how many of those during were not in the log
 */
export async function moved(path: string, rounds: number) {
  const memory = SharedMemory.create({ size: 2 * pieceBytes, name: 'vio-moved' });
  const log = SharedMemory.create({
    size: (guestBase + 2 * pieceBytes) / pageBytes / 8,
    name: 'vio-moved-log',
  });
  const features = VIRTIO_F_VERSION_1 | (1n << 30n);
  const regions = [0, 1].map((i) => ({
    guestAddress: guestBase + i * pieceBytes,
    userAddress: userBase + i * pieceBytes,
    size: pieceBytes,
    mmapOffset: i * pieceBytes,
  }));
  const rings = regions.map((region) => {
    const map = new MemoryMap([
      { ...region, region: new Region(memory.buffer, region.mmapOffset, pieceBytes) },
    ]);
    return new ScriptedDriver({
      memory: map,
      size,
      features: { format: 'split', inOrder: false, indirect: false, eventIdx: false },
    });
  });
  const events = rings.map(() => ({ kick: EventFd.create(), call: EventFd.create() }));
  using frontend = new ScriptedFrontend(await UnixStream.connect(path));
  const offered = (await frontend.ask(requests.GET_PROTOCOL_FEATURES, undefined, patient)) ?? 0n;
  // Without a status: rings run when they are enabled.
  await frontend.send(requests.SET_PROTOCOL_FEATURES, offered & ~(1n << 16n));
  await frontend.send(requests.SET_OWNER, undefined);
  await frontend.send(requests.SET_FEATURES, features);
  await frontend.send(requests.SET_MEM_TABLE, regions, { fds: regions.map(() => memory.fd) });
  for (const [index, { addresses }] of rings.entries()) {
    const at = userBase + index * pieceBytes;
    const { descriptors, driver, device } = addresses;
    await frontend.send(requests.SET_VRING_NUM, { index, value: size });
    await frontend.send(requests.SET_VRING_BASE, { index, value: 0 });
    await frontend.send(requests.SET_VRING_ADDR, {
      index,
      flags: 0,
      descriptors: at + descriptors.offset,
      driver: at + driver.offset,
      device: at + device.offset,
      log: 0,
    });
    await frontend.send(requests.SET_VRING_CALL, { index, hasFd: true }, { fds: [events[index].call.fd] });
    await frontend.send(requests.SET_VRING_KICK, { index, hasFd: true }, { fds: [events[index].kick.fd] });
  }
  for (const index of [0, 1]) await frontend.send(requests.SET_VRING_ENABLE, { index, value: 1 });
  await frontend.ask(requests.GET_FEATURES, undefined, patient);
  const [rx, tx] = rings;
  let number = 0;
  let unmarked = 0;
  const u8 = new Uint8Array(log.buffer);
  const exchange = async (look: boolean): Promise<number> => {
    let came = 0;
    for (let i = 0; i < rounds; i++) {
      const address = rx.memory.alloc(2048);
      rx.expose([{ address, length: 2048, writable: true }]);
      events[0].kick.signal();
      const frame = new Uint8Array(headerBytes + frameBytes);
      frame.fill(0xff, headerBytes, headerBytes + 6);
      frame.set([2, 0, 0, 0, 0, 1, 0x88, 0xb5, number >> 8, number & 255], headerBytes + 6);
      number++;
      tx.expose([{ address: tx.memory.put(frame), length: frame.length }]);
      events[1].kick.signal();
      await until(() => rx.used().length > 0);
      const got = rx.memory.read(address + headerBytes, frameBytes);
      if (Buffer.compare(got, frame.subarray(headerBytes)) === 0) came++;
      const page = Math.floor(address / pageBytes);
      if (look && (Atomics.load(u8, page >> 3) & (1 << (page & 7))) === 0) unmarked++;
      u8.fill(0);
      await until(() => tx.used().length > 0);
    }
    return came;
  };
  const before = await exchange(false);
  await frontend.ask(requests.SET_LOG_BASE, { size: log.size, offset: 0 }, { ...patient, fds: [log.fd] });
  await frontend.send(requests.SET_FEATURES, features | VHOST_F_LOG_ALL);
  await frontend.ask(requests.GET_FEATURES, undefined, patient);
  const during = await exchange(true);
  await frontend.send(requests.SET_FEATURES, features);
  await frontend.ask(requests.GET_FEATURES, undefined, patient);
  const after = await exchange(false);
  const bases = [];
  for (const index of [0, 1])
    bases.push((await frontend.ask(requests.GET_VRING_BASE, { index, value: 0 }, patient))?.value);
  frontend.close();
  memory.close();
  log.close();
  for (const { kick, call } of events) {
    kick.close();
    call.close();
  }
  return { before, during, after, unmarked, bases };
}
