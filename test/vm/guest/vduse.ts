// Cards of the kernel's own virtio-net driver, which a process serves by VDUSE: no tap and no vhost is in between. Argument: steps.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { until } from '@vio/test-support/plain';
import { ip, sh, shell } from './commands.ts';
import { type Steps, reportSteps } from './steps.ts';
import { type EchoReport, tcpEcho } from './tcp-echo.ts';
import { type DatagramsReport, sendDatagrams } from './vduse/datagrams.ts';
import { Server, type ServerOptions, type ServerReport, serverMain } from './vduse/server.ts';

/**
 * Two cards, bytes between them, and a server that is killed meanwhile; two cards, and packets of datagrams there and back; cards that
 * go; a disk of the program `main`, with a tree on it;
 * one or two cards of another program. */
export type Step =
  | readonly ['life', options: Omit<ServerOptions, 'cards'>]
  | readonly ['datagrams', options: Omit<ServerOptions, 'cards'>]
  | readonly ['faults']
  | readonly ['disk', main: string, tree: string]
  | readonly ['program', argv: readonly string[], cards: number];

const cards = ['va', 'vb'];
const addresses = ['10.9.0.1', '10.9.0.2'];
/** By TCP, in bytes. */
const much = 1 << 20;

/** What came of two cards. */
export interface LifeReport {
  readonly driver: string;
  readonly link: string;
  /** As ethtool says. */
  readonly channels: string;
  readonly pinged: string;
  readonly echo: EchoReport;
  /** Of the first server, and of its successor. */
  readonly before: ServerReport;
  readonly after: ServerReport;
  readonly survived: EchoReport;
  readonly pingedAfter: string;
  readonly code: number | null;
  /** Nodes in /dev/vduse. */
  readonly left: readonly string[];
}

/** What came of packets of datagrams. */
export interface PacketsReport {
  readonly there: DatagramsReport;
  readonly back: DatagramsReport;
  readonly server: ServerReport;
  readonly code: number | null;
}

/** What came of cards that go. */
export interface FaultsReport {
  readonly pinged: string;
  readonly without: ServerReport;
  readonly again: string;
  readonly lost: ServerReport;
  readonly anew: string;
  readonly code: number | null;
  readonly left: readonly string[];
}

/** What came of another program's cards. */
export interface ProgramReport {
  readonly pinged: string;
  readonly code: number | null;
  readonly left: readonly string[];
}

/** What came of a disk. */
export interface DiskReport {
  /** Checksums of the tree as it was, and on the disk. */
  readonly was: string;
  readonly is: string;
  readonly check: string;
  readonly code: unknown;
  readonly left: boolean;
}

async function run(step: Step): Promise<unknown> {
  try {
    return await take(step);
  } finally {
    await Server.endAll();
    for (const name of cards) await sh(`ip netns del ${name}`).catch(() => {});
  }
}

function take(step: Step): Promise<unknown> {
  switch (step[0]) {
    case 'life':
      return life(step[1]);
    case 'datagrams':
      return datagrams(step[1]);
    case 'faults':
      return faults();
    case 'disk':
      return disk(step[1], step[2]);
    case 'program':
      return program(step[1], step[2]);
  }
}

async function life(options: Omit<ServerOptions, 'cards'>): Promise<LifeReport> {
  const asked = { ...options, cards };
  let server = await Server.start(asked);
  for (const name of cards) await sh(`vdpa dev add name ${name} mgmtdev vduse`);
  await settle(options.pairs);
  const driver = await sh(`ip netns exec va ethtool -i card`);
  const link = await sh(`ip -n va -o link show card`);
  const channels = await sh(`ip netns exec va ethtool -l card`);
  const pinged = await ping('va', 1);
  const echo = await tcpEcho('va', 'vb', addresses[1], much);
  const before = await server.report();
  const during = tcpEcho('va', 'vb', addresses[1], 2 * much);
  await sleep(500);
  await server.kill();
  server = await Server.start(asked);
  const survived = await during;
  await manyFlows();
  const after = await server.report();
  const pingedAfter = await ping('vb', 0);
  for (const name of cards) await sh(`vdpa dev del ${name}`);
  const code = await server.end();
  const left = cards.filter((name) => existsSync(`/dev/vduse/${name}`));
  return { driver, link, channels, pinged, echo, before, survived, after, pingedAfter, code, left };
}

async function datagrams(options: Omit<ServerOptions, 'cards'>): Promise<PacketsReport> {
  const server = await Server.start({ ...options, cards });
  for (const name of cards) await sh(`vdpa dev add name ${name} mgmtdev vduse`);
  await settle(options.pairs);
  await ping('va', 1);
  // What a card can do so, and does not unless it is told to.
  for (const name of cards) await sh(`ip netns exec ${name} ethtool -K card tx-udp-segmentation on`);
  const there = await sendDatagrams('va', 'vb', addresses[1]);
  const back = await sendDatagrams('vb', 'va', addresses[0]);
  const seen = await server.report();
  for (const name of cards) await sh(`vdpa dev del ${name}`);
  return { there, back, server: seen, code: await server.end() };
}

/** The interfaces of the cards, each in a namespace of its own. */
async function settle(pairs: number, served: readonly string[] = cards): Promise<void> {
  for (const [i, name] of served.entries()) {
    ip([`netns add ${name}`, `link set ${interfaceOf(name)} netns ${name} name card`]);
    if (pairs > 1) await sh(`ip netns exec ${name} ethtool -L card combined ${pairs}`).catch(() => {});
    ip([`link set lo up`, `link set card up`, `address add ${addresses[i]}/24 dev card`], name);
  }
}

/** The kernel's interface of a card. */
function interfaceOf(name: string): string {
  const path = `/sys/bus/vdpa/devices/${name}`;
  const [virtio] = readdirSync(path).filter((entry) => entry.startsWith('virtio'));
  return readdirSync(`${path}/${virtio}/net`)[0];
}

/** Five of them, when one was answered. @param to which of the addresses */
async function ping(from: string, to: number): Promise<string> {
  const attempt = `ip netns exec ${from} ping -c 1 -W 1 ${addresses[to]}`;
  for (let tries = 0, answered = false; tries < 20 && !answered; tries++) {
    answered = await sh(attempt).then(
      () => true,
      () => false,
    );
  }
  return sh(`ip netns exec ${from} ping -c 5 -i 0.2 -W 5 ${addresses[to]}`).catch(String);
}

/** Datagrams of so many flows that some go by each queue. */
async function manyFlows(): Promise<void> {
  const send = `for port in $(seq 5000 5063); do echo x > /dev/udp/${addresses[1]}/$port; done`;
  await promisify(execFile)('ip', ['netns', 'exec', 'va', 'bash', '-c', send]);
}

async function faults(): Promise<FaultsReport> {
  const server = await Server.start({ cards, pairs: 1 });
  for (const name of cards) await sh(`vdpa dev add name ${name} mgmtdev vduse`);
  await settle(1);
  const pinged = await ping('va', 1);
  // Off the bus while it is at work, and on it again.
  await sh('vdpa dev del vb');
  const without = await server.report();
  await sh('vdpa dev add name vb mgmtdev vduse');
  ip([`link set ${interfaceOf('vb')} netns vb name card`]);
  ip([`link set card up`, `address add ${addresses[1]}/24 dev card`], 'vb');
  const again = await ping('va', 1);
  // The server sleeps, and the kernel loses patience.
  writeFileSync('/sys/class/vduse/vb/msg_timeout', '1');
  server.signal('SIGSTOP');
  await sh('vdpa dev del vb');
  server.signal('SIGCONT');
  let lost = await server.report();
  const end = performance.now() + 10_000;
  while (!lost.told.includes('VIO_VDUSE_BROKEN') && performance.now() < end) {
    await sleep(50);
    lost = await server.report();
  }
  await until(() => existsSync('/dev/vduse/vb'));
  await sleep(300);
  await sh('vdpa dev add name vb mgmtdev vduse');
  ip([`link set ${interfaceOf('vb')} netns vb name card`]);
  ip([`link set card up`, `address add ${addresses[1]}/24 dev card`], 'vb');
  const anew = await ping('va', 1);
  for (const name of cards) await sh(`vdpa dev del ${name}`);
  const code = await server.end();
  return {
    pinged,
    without,
    again,
    lost,
    anew,
    code,
    left: cards.filter((name) => existsSync(`/dev/vduse/${name}`)),
  };
}

/** A file system on a disk whose server is killed while a tree of files is copied there. */
async function disk(main: string, tree: string): Promise<DiskReport> {
  const image = '/tmp/disk.img';
  const files = `find . -name "*.ts" -not -path "*/node_modules/*" -not -path "*/dist/*"`;
  const sums = `${files} | LC_ALL=C sort | xargs md5sum | md5sum`;
  const started = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [main, image, '/dev/vduse/disk'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    return child;
  };
  const ended = async (child: ChildProcess, signal: NodeJS.Signals): Promise<unknown[]> => {
    const exit = once(child, 'exit');
    child.kill(signal);
    return exit;
  };
  await shell(`truncate -s 48M ${image}`);
  let server = await started();
  await sh('vdpa dev add name disk mgmtdev vduse');
  await until(() => existsSync('/dev/vda'));
  await shell('mkfs.ext4 -q -m 0 /dev/vda; mkdir /tmp/disk; mount -t ext4 /dev/vda /tmp/disk');
  const copying = shell(`cd ${tree}; ${files} > /tmp/list; cpio --quiet -pdm /tmp/disk < /tmp/list; sync`);
  await sleep(300);
  await ended(server, 'SIGKILL');
  server = await started();
  await copying;
  await shell('umount /tmp/disk; echo 3 > /proc/sys/vm/drop_caches; mount -t ext4 /dev/vda /tmp/disk');
  const was = await shell(`cd ${tree}; ${sums}`);
  const is = await shell(`cd /tmp/disk; ${sums}`);
  await shell('umount /tmp/disk');
  const check = await shell('e2fsck -fn /dev/vda 2>/dev/null');
  await sh('vdpa dev del disk');
  const [code] = await ended(server, 'SIGTERM');
  return { was, is, check, code, left: existsSync('/dev/vduse/disk') };
}

/** A program that answers for what is at the other end of a card, or connects two of them. */
async function program(argv: readonly string[], count: number): Promise<ProgramReport> {
  const served = cards.slice(0, count);
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'inherit'] });
  const exit = once(child, 'exit');
  await until(() => served.every((name) => existsSync(`/dev/vduse/${name}`)), 60_000);
  for (const name of served) await sh(`vdpa dev add name ${name} mgmtdev vduse`);
  await settle(1, served);
  const pinged = await ping('va', 1);
  for (const name of served) await sh(`vdpa dev del ${name}`);
  child.kill('SIGINT');
  const [code] = (await exit) as [number | null];
  return { pinged, code, left: served.filter((name) => existsSync(`/dev/vduse/${name}`)) };
}

if (!serverMain()) await reportSteps(JSON.parse(process.argv[2] ?? '{}') as Steps<Step>, run);
