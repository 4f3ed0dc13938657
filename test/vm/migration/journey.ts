// In a network namespace of its own: a bridge with a host on it, two backends, and a guest that goes to and fro between two
// QEMUs. Argument: the plan, as JSON. Prints the journey.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { sh } from '../../support/sh.ts';
import { withoutVectors } from '../qemu.ts';
import { type Found, HeldFrames } from './held-frames.ts';
import { type Journey, type Plan, guestAddress, hostAddress, mtu, pairs } from './plan.ts';
import { Qmp } from './qmp.ts';
import { Transfer } from './transfer.ts';

const plan = JSON.parse(process.argv[2]) as Plan;
const { directory } = plan;
const megabytes = 160;
const children: ChildProcess[] = [];
const backends: string[] = [];
const qemus: string[] = [];
const guest: string[] = [];
let ready = (): void => {};
const booted = new Promise<void>((resolve) => (ready = resolve));
let finish = (): void => {};
const finished = new Promise<void>((resolve) => (finish = resolve));

/** A process that was to last has ended. */
let fail = (_reason: string): void => {};
const failed = new Promise<never>((_, reject) => (fail = (reason) => reject(new Error(reason))));

const socketOf = (side: number): string => join(directory, `side${side}.sock`);

async function startBackend(side: number): Promise<void> {
  const args = [plan.backend, socketOf(side), `side${side}`, plan.postcopy ? 'postcopy' : 'precopy'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const lines = createInterface(child.stdout);
  await once(lines, 'line');
  lines.on('line', (line) => backends.push(`side ${side}: ${line}`));
  child.on('exit', (code, signal) => fail(`side ${side} ended: ${code ?? signal}`));
  sh(`ip link set side${side} mtu ${mtu} master wire`);
}

interface Qemu {
  readonly child: ChildProcess;
  readonly qmp: Qmp;
}

async function startQemu(side: number, number: number, incoming: boolean): Promise<Qemu> {
  const monitor = join(directory, `qmp${number}`);
  const child = spawn(
    'qemu-system-x86_64',
    [
      ['-accel', 'tcg,thread=multi', '-machine', 'q35,memory-backend=memory', '-cpu', 'max'],
      ['-m', String(megabytes), '-object', `memory-backend-memfd,id=memory,size=${megabytes}M,share=on`],
      [
        '-nodefaults',
        '-no-user-config',
        '-display',
        'none',
        '-serial',
        'stdio',
        '-no-reboot',
        '-net',
        'none',
      ],
      ['-kernel', plan.vmlinux, '-initrd', plan.initramfs],
      [
        '-append',
        'console=ttyS0 panic=-1 quiet nokaslr mitigations=off audit=0 nowatchdog no_timer_check i8042.noprobe=1',
      ],
      ['-chardev', `socket,id=backend,path=${socketOf(side)}`],
      ['-netdev', `vhost-user,id=net,chardev=backend,queues=${pairs}`],
      [
        '-device',
        `virtio-net-pci,netdev=net,mq=on,${withoutVectors},mrg_rxbuf=on,packed=${plan.packed ? 'on' : 'off'}`,
      ],
      ['-qmp', `unix:${monitor},server=on,wait=off`],
      incoming ? ['-incoming', 'defer'] : [],
    ].flat(),
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  children.push(child);
  createInterface(child.stdout).on('line', (line) => {
    guest.push(line);
    if (line.includes('ready')) ready();
    if (line.includes('finished')) finish();
  });
  createInterface(child.stderr).on('line', (line) => qemus.push(`${number}: ${line}`));
  return { child, qmp: await Qmp.connect(monitor) };
}

/** Moves the guest from one QEMU to another. @returns the states that the move went through */
async function move(from: Qemu, to: Qemu, number: number): Promise<string[]> {
  const uri = `unix:${join(directory, `move${number}`)}`;
  const capabilities = [
    { capability: 'postcopy-ram', state: plan.postcopy },
    { capability: 'events', state: true },
  ];
  for (const { qmp } of [to, from]) await qmp.ask('migrate-set-capabilities', { capabilities });
  await to.qmp.ask('migrate-incoming', { uri });
  await from.qmp.ask('migrate-set-parameters', {
    // Slowly enough that the guest goes on writing meanwhile. Before postcopy so slowly that a guest which writes is never done with:
    // what it has written in a tenth of a second takes longer than it may stand still.
    'max-bandwidth': plan.postcopy ? 4e6 : 80e6,
    // QEMU 7.2 ends postcopy in a thread of its own, whose answers get mixed up with those to the thread that starts the devices
    // when the last page comes that soon.
    'max-postcopy-bandwidth': 20e6,
    'downtime-limit': plan.postcopy ? 1 : 300,
  });
  await from.qmp.ask('migrate', { uri });
  for (let state = ''; state !== 'completed'; await wait(50)) {
    state = await from.qmp.migration();
    if (plan.postcopy && state === 'active') await from.qmp.ask('migrate-start-postcopy');
  }
  while (!((await to.qmp.ask('query-status')) as { running: boolean }).running) await wait(50);
  await from.qmp.ask('quit');
  from.qmp[Symbol.dispose]();
  return from.qmp.states;
}

async function travel(): Promise<Journey> {
  sh(
    `ip link add wire type bridge; ip address add ${hostAddress}/24 dev wire; ip link set wire up; ip link set lo up`,
  );
  const transfer = new Transfer();
  for (const side of [0, 1]) await startBackend(side);
  using held = new HeldFrames('frames');
  sh(`ip link set frames mtu ${mtu} master wire`);
  let here = await startQemu(0, 0, false);
  await booted;
  await transfer.goesOn();
  const meanwhile: number[] = [];
  const answers: boolean[] = [];
  const moves: string[][] = [];
  const frames: Found[] = [];
  for (let number = 1; number <= plan.moves; number++) {
    const next = await startQemu(number % 2, number, true);
    const before = transfer.back;
    moves.push(await move(here, next, number));
    here = next;
    frames.push(await held.ask(guest));
    await transfer.goesOn();
    meanwhile.push(transfer.back - before);
    answers.push(sh(`ping -c 3 -i 0.3 -W 5 ${guestAddress} || true`).includes(' bytes from '));
  }
  await transfer.end();
  await finished;
  const { sent, back, wrong } = transfer;
  return { meanwhile, answers, moves, frames, sent, back: wrong ? -1 : back, guest, backends: [...backends] };
}

const watchdog = setTimeout(() => {
  console.error(JSON.stringify({ guest, backends, qemus }, null, 1));
  for (const child of children) child.kill('SIGKILL');
  process.exit(1);
}, 240_000);
try {
  console.log(JSON.stringify(await Promise.race([travel(), failed])));
} catch (error) {
  console.error(JSON.stringify({ guest, backends, qemus }, null, 1));
  throw error;
} finally {
  clearTimeout(watchdog);
  for (const child of children) child.kill('SIGKILL');
}
process.exit();
