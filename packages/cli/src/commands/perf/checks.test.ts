import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { PortActivity } from '../top/activity.ts';
import { type WatchedProgram, checkPlaces, checkProgram, checkTraffic } from './checks.ts';
import { type ProcessView, busiestThread, cpuPlace, packetMemory } from './process-view.ts';

const idle: ProcessView = { cpu: 0, ran: 0, waited: 0, throttled: 0, throttledTime: 0 };
const on = (...cpus: number[]): WatchedProgram => ({
  pid: 7,
  name: 'run 7',
  views: cpus.map((cpu) => ({ ...idle, cpu })),
  memory: undefined,
});
const port: PortActivity = {
  program: 'run 7',
  pid: 7,
  name: '/a',
  kind: 'port',
  up: true,
  reason: undefined,
  paths: undefined,
  rx: { pps: 0, bps: 0 },
  tx: { pps: 1e6, bps: 0 },
  queues: [],
  batch: 32,
  kicks: 10,
  calls: 0,
  drops: [],
  rings: [],
};
const notes = (findings: readonly { status: string; detail: string }[]): string[] =>
  findings.filter(({ status }) => status === 'note').map(({ detail }) => detail);

describe('what holds a program up', () => {
  it('is nothing where it has its CPU', () => {
    expect(notes(checkProgram({ ...on(0, 0), memory: { bytes: 8 << 20, pageBytes: 2 << 20 } }, 2))).toEqual(
      [],
    );
  });

  it.each([
    ['others on its CPU', { waited: 1e9 }, 'it waited for a CPU 50.0 % of the time'],
    ['a limit', { throttled: 12, throttledTime: 340_000 }, 'was held up 12 times, for 340 ms in 2.0 s'],
  ])('are %s', (_, last, words) => {
    const views = [idle, { ...idle, ...last }];
    expect(notes(checkProgram({ ...on(), views }, 2)).join()).toContain(words);
  });

  it('are small pages', () => {
    const memory = { bytes: 8 << 20, pageBytes: 4096 };
    expect(notes(checkProgram({ ...on(0, 0), memory }, 2))).toEqual([
      '8.0 MiB of packet memory in pages of 4 KiB',
    ]);
  });

  it('is said to be unknown of what cannot be seen', () => {
    expect(notes(checkProgram(on(), 2))).toEqual(['its process cannot be seen from here']);
  });
});

describe('two sides', () => {
  // A machine of two sockets. On the first one CPUs 0 to 3 have one L3 cache, two threads to each core, and 4 has another.
  const cpus = mkdtempSync(join(tmpdir(), 'vio-cpus-'));
  afterAll(() => rmSync(cpus, { recursive: true }));
  const machine = [
    { cpu: 0, threads: '0-1', cache: '0-3', socket: 0 },
    { cpu: 1, threads: '0-1', cache: '0-3', socket: 0 },
    { cpu: 2, threads: '2-3', cache: '0-3', socket: 0 },
    { cpu: 3, threads: '2-3', cache: '0-3', socket: 0 },
    { cpu: 4, threads: '4', cache: '4', socket: 0 },
    { cpu: 5, threads: '5', cache: '5', socket: 1 },
    // Virtual machines do not always tell of their caches.
    { cpu: 6, threads: '6', cache: undefined, socket: 2 },
    { cpu: 7, threads: '7', cache: undefined, socket: 2 },
  ];
  for (const { cpu, threads, cache, socket } of machine) {
    const files = {
      'topology/thread_siblings_list': threads,
      'topology/physical_package_id': String(socket),
      ...(cache === undefined ? {} : { 'cache/index3/shared_cpu_list': cache }),
    };
    for (const [name, text] of Object.entries(files)) {
      const file = join(cpus, `cpu${cpu}`, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `${text}\n`);
    }
  }
  const place = (cpu: number) => cpuPlace(cpu, cpus);

  it.each([
    [[0, 0, 0, 1], [0, 0, 0, 0], 'they shared a CPU in 3 of 4 looks'],
    [[0, 0], [1, 1], 'they shared a core in 2 of 2 looks'],
    [[0, 0, 3], [4, 4, 4], 'they shared no L3 cache in 3 of 3 looks'],
    [[2, 2], [5, 5], 'they were on different sockets in 2 of 2 looks'],
    [[6, 6], [0, 0], 'they were on different sockets in 2 of 2 looks'],
  ])('on %j and %j are noted', (a, b, words) => {
    expect(notes(checkPlaces(on(...a), on(...b), place)).join()).toContain(words);
  });

  it.each([
    [[1, 1], [2, 3], 'they were on CPUs of their own in 2 of 2 looks, with one L3 cache in 2 of 2 looks'],
    [[6, 6], [7, 7], 'they were on CPUs of their own in 2 of 2 looks'],
    [
      [1, 1, 2],
      [0, 3, 2],
      'they were on CPUs of their own in 2 of 3 looks, with one L3 cache in 1 of 3 looks',
    ],
  ])('on %j and %j are well', (a, b, detail) => {
    expect(checkPlaces(on(...a), on(...b), place)).toMatchObject([{ status: 'ok', detail }]);
  });

  it('on this machine are somewhere', () => {
    expect(cpuPlace(0)).toMatchObject({
      siblings: expect.stringMatching(/./),
      package: expect.stringMatching(/\d/),
    });
  });
});

describe('how packets are moved', () => {
  it('is well in large bursts with few kicks', () => {
    expect(notes(checkTraffic(port))).toEqual([]);
  });

  it.each([
    ['small bursts', { batch: 1.5 }, '1.5 packets at a time'],
    ['a kick for each', { kicks: 9e5 }, '0.900 kicks per packet'],
    [
      'drops',
      { drops: [{ reason: 'no_room', perSecond: 1e5, total: 1 }] },
      '100000 packets per second are dropped (no_room), 10.0 % of what passes',
    ],
  ])('is noted for %s', (_, what, words) => {
    expect(notes(checkTraffic({ ...port, ...what })).join()).toContain(words);
  });

  it('is not judged by a handful of packets', () => {
    expect(notes(checkTraffic({ ...port, tx: { pps: 10, bps: 0 }, batch: 1, kicks: 10 }))).toEqual([]);
  });
});

describe('the thread that is looked at', () => {
  const processes = mkdtempSync(join(tmpdir(), 'vio-processes-'));
  afterAll(() => rmSync(processes, { recursive: true }));
  const running = (pid: number, threads: Readonly<Record<number, number>>): void => {
    for (const [thread, ran] of Object.entries(threads)) {
      const directory = join(processes, String(pid), 'task', thread);
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, 'schedstat'), `${ran} 5 7\n`);
    }
  };

  it('is the one that has run most', () => {
    running(10, { 10: 1000, 11: 5_000_000, 12: 900_000 });
    running(20, { 20: 7, 21: 3 });
    expect([busiestThread(10, processes), busiestThread(20, processes)]).toEqual([11, 20]);
  });

  it('is the main one of a process that is not to be seen', () => {
    expect(busiestThread(30, processes)).toBe(30);
  });
});

describe('the memory of a process', () => {
  const mapping = (name: string, size: number, page: number, flags = 'rw-s'): string =>
    `7f0000000000-7f0000800000 ${flags} 00000000 00:01 12 ${name}\nSize:  ${size} kB\nKernelPageSize:  ${page} kB\n`;

  it('is the largest shared file without a name', () => {
    const maps =
      mapping('/memfd:vio (deleted)', 8192, 2048) + mapping('/memfd:x', 64, 4) + mapping('/lib/x', 9e6, 4);
    expect(packetMemory(0, maps)).toEqual({ bytes: 8 << 20, pageBytes: 2 << 20 });
  });

  it('is unknown where there is none', () => {
    expect(packetMemory(0, mapping('/memfd:vio', 64, 4, 'rw-p'))).toBeUndefined();
  });
});
