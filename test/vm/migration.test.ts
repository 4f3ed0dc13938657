// A Linux guest on QEMU that is moved between two backends of ours, to and fro, with packets on the way all the time.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundle } from './bundle.ts';
import { here } from './checkout.ts';
import { guestModules } from './initramfs.ts';
import { fetchKernel } from './kernel.ts';
import { packLoneGuest } from './migration/lone-guest.ts';
import type { Journey, Plan } from './migration/plan.ts';

async function travel(plan: Pick<Plan, 'packed' | 'moves' | 'postcopy'>): Promise<Journey> {
  const kernel = await fetchKernel(guestModules);
  const initramfs = await packLoneGuest(kernel);
  const directory = mkdtempSync(join(tmpdir(), 'vio-migration-'));
  try {
    const [backend, journey] = ['backend', 'journey'].map((name) => join(directory, `${name}.mjs`));
    await bundle(join(here, 'migration/backend.ts'), backend);
    await bundle(join(here, 'migration/journey.ts'), journey);
    const whole: Plan = { ...plan, vmlinux: kernel.vmlinux, initramfs, backend, directory };
    const args = ['--net', '--kill-child', process.execPath, journey, JSON.stringify(whole)];
    const { stdout } = await promisify(execFile)('unshare', args, { timeout: 400_000, maxBuffer: 2 ** 24 });
    return JSON.parse(stdout) as Journey;
  } finally {
    rmSync(dirname(initramfs), { recursive: true, force: true });
    rmSync(directory, { recursive: true, force: true });
  }
}

describe.each([
  ['split rings', { packed: false, moves: 6, postcopy: false }],
  ['packed rings', { packed: true, moves: 6, postcopy: false }],
  ['split rings, before its memory', { packed: false, moves: 6, postcopy: true }],
  ['packed rings, before its memory', { packed: true, moves: 6, postcopy: true }],
])('a guest with four pairs of %s, there and back', (_, plan) => {
  let journey: Journey;
  beforeAll(async () => {
    journey = await travel(plan);
  }, 420_000);

  it(`is moved ${plan.postcopy ? 'before' : 'with'} its memory, each time`, () => {
    expect(journey.moves).toHaveLength(plan.moves);
    for (const states of journey.moves) {
      expect(states.includes('postcopy-active')).toBe(plan.postcopy);
      expect(states.at(-1)).toBe('completed');
    }
  });

  it('has a network on each side', () => {
    expect(journey.guest).toContain('pairs 4');
    expect(journey.answers).toEqual(Array.from({ length: plan.moves }, () => true));
    expect(journey.guest.join('\n')).toMatch(/packets transmitted, [1-9]\d* packets received/);
  });

  it('gets every byte that is sent to it, and the host every byte that it sends back', () => {
    expect(journey.back).toBe(journey.sent);
    expect(Math.min(...journey.meanwhile)).toBeGreaterThan(0);
  });

  it('misses no page of its memory', () => {
    expect(journey.guest.filter((line) => line.startsWith('memory:'))).toEqual([
      expect.stringMatching(/compared [1-9]\d* times/),
    ]);
  });

  it('misses no page that the device alone has written: frames that were not looked at before each move are right', () => {
    expect(journey.frames).toHaveLength(plan.moves);
    for (const { right, wrong } of journey.frames) expect([right > 0, wrong]).toEqual([true, 0]);
  });

  it('gets no packet with a wrong checksum, which TCP would have had sent again', () => {
    expect(journey.guest).toContain('damaged: 0 0 0');
  });

  it('is refused nothing, and breaks nothing', () => {
    expect(journey.backends).toEqual([]);
  });
});
