import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { activity, sorted } from './activity.ts';
import { plain } from './paint.ts';
import { type View, render } from './render.ts';
import { type Look, toLook } from './snapshot.ts';

const view: View = { columns: 80, sort: 'rate', queues: false, paused: false, paint: plain, keys: true };

function look(at: number, packets: number, name = '/tmp/a.sock', status = 'UP'): Look {
  const port = {
    id: 0,
    name,
    kind: 'port',
    link: { status, ...(status === 'UP' ? {} : { reason: { code: 'X', message: 'it went' } }) },
    info: { rx_path: 'split mergeable', tx_path: 'split Tx' },
    stats: {
      rx_q0_good_packets: packets,
      rx_q0_good_bytes: 64 * packets,
      rx_q0_bursts: packets / 16,
      rx_q1_good_packets: 0,
      tx_q0_good_packets: 2 * packets,
      tx_q0_good_bytes: 128 * packets,
      tx_q0_kicks: packets / 100,
      tx_q0_dropped_oversize_packets: packets / 10,
    },
    rings: [
      { name: 'receiveq0', format: 'split', size: 256, inUse: 128 },
      { name: 'transmitq0', format: 'split', size: 256, inUse: 0, broken: 'an index of 70000' },
    ],
  };
  return { ...toLook('/run/a.sock', { command: 'run', pid: 7 }, { ports: [port] }), at };
}

const ports = (name?: string, status?: string) =>
  activity([look(0, 0, name, status)], [look(2000, 2000, name, status)]);

describe('what a port does between two looks', () => {
  it('is rates, batches, kicks and drops', () => {
    expect(ports()).toMatchObject([
      {
        program: 'run 7',
        rx: { pps: 1000, bps: 512_000 },
        tx: { pps: 2000, bps: 1_024_000 },
        kicks: 10,
        batch: 32,
        drops: [{ reason: 'oversize', perSecond: 100, total: 200 }],
      },
    ]);
  });

  it('is nothing for one that was not there before, and for counters that began anew', () => {
    const pps = (before: Look[], now: Look[]): number => activity(before, now)[0].rx.pps;
    expect([pps([], [look(1000, 5000)]), pps([look(0, 900)], [look(1000, 5)])]).toEqual([0, 0]);
  });

  it('sorts by rate, by name with numbers in their order, and by drops', () => {
    const [busy] = ports('b10');
    const [idle] = activity([look(0, 0, 'b9')], [look(1000, 0, 'b9')]);
    const names = (key: 'rate' | 'name' | 'drops'): string[] =>
      sorted([idle, busy], key).map(({ name }) => name);
    expect([names('rate'), names('name'), names('drops')]).toEqual([
      ['b10', 'b9'],
      ['b9', 'b10'],
      ['b10', 'b9'],
    ]);
  });
});

describe('the picture', () => {
  it('has all of it in 80 columns', () => {
    const text = render(ports(), view).join('\n');
    expect(text).toMatch(/^run 7 \/tmp\/a\.sock +UP +1\.00 kpps +512 kbit\/s +2\.00 kpps +1\.02 Mbit\/s$/m);
    expect(text).toMatch(/^ {2}receiveq0 +#+-+ +128\/256$/m);
    expect(text).toMatch(/^ {2}transmitq0 +broken: an index of 70000$/m);
    expect(text).toMatch(/^ {2}batch 32\.0 {2}kicks 10 \/s/m);
    expect(text).toMatch(/^ {2}dropped oversize 100 \/s, 200 in all$/m);
  });

  it('has rates, links and fills in 20 columns, too', () => {
    const lines = render(ports(), { ...view, columns: 20 });
    expect(lines).toEqual(expect.arrayContaining(['UP run 7 /tmp/a.sock', '  rx 1.00 kpps 512 k']));
    expect(lines.some((line) => line.endsWith('128/256'))).toBe(true);
  });

  it('shows the end of a path that is too long', () => {
    expect(render(ports('/run/user/1000/some/where/vhost.sock'), view).join('\n')).toMatch(
      /^run 7 \.\.\S*vhost\.sock +UP/m,
    );
  });

  it('says why a link is down', () => {
    expect(render(ports('a', 'DOWN'), view).join('\n')).toMatch(/DOWN[^]+down: it went/);
  });

  it('shows each queue when it is asked to, and that it is paused', () => {
    const text = render(ports(), { ...view, queues: true, paused: true }).join('\n');
    expect(text).toMatch(/PAUSED[^]+^ {2}q0 {2}rx 1\.00 kpps[^]+^ {2}q1 {2}rx 0 pps/m);
  });

  it('is never wider than the terminal, and never more than text, whatever programs say', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.jsonValue(), fc.string(), (columns, junk, name) => {
        const looks = [
          look(0, 0, name),
          toLook('/x', junk, { ports: [junk, { rings: [junk], stats: junk }] }),
          toLook('/y', junk, junk),
        ];
        for (const line of render(activity(looks, looks), { ...view, columns, queues: true })) {
          expect(Array.from(line).length).toBeLessThanOrEqual(columns);
          // oxlint-disable-next-line no-control-regex
          expect(line).not.toMatch(/[\u0000-\u001f\u007f]/);
        }
      }),
    );
  });
});
