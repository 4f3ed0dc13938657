import { describe, expect, it } from 'vitest';
import { frameOf } from '../test-support/wire.ts';
import { wiredPort } from '../test-support/wired-port.ts';
import { type Measured, prometheusText } from './prometheus.ts';

const counting = (stats: Record<string, number>): Measured => ({ stats: () => stats });

/** Whatever a line of the text format may be (version 0.0.4). */
const line =
  /^(# HELP [a-z]\w* .+|# TYPE [a-z]\w* (counter|gauge)|[a-z]\w*\{[a-z]\w*="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z]\w*="(?:[^"\\\n]|\\[\\"n])*")*\} \d+)$/;

describe('prometheusText', () => {
  it('makes the direction part of the name and the queue a label', () => {
    expect(prometheusText({ p: counting({ rx_q3_good_packets: 7 }) })).toBe(
      "# HELP vio_rx_good_packets_total Receive queue: DPDK's xstat good_packets.\n" +
        '# TYPE vio_rx_good_packets_total counter\n' +
        'vio_rx_good_packets_total{port="p",queue="3"} 7\n',
    );
  });

  it('keeps all samples of a name together, whatever port they are of', () => {
    const ports = { a: counting({ tx_q0_kicks: 1, tx_q1_kicks: 2 }), b: counting({ tx_q0_kicks: 3 }) };
    expect(prometheusText(ports).split('\n').slice(2)).toEqual([
      'vio_tx_kicks_total{port="a",queue="0"} 1',
      'vio_tx_kicks_total{port="a",queue="1"} 2',
      'vio_tx_kicks_total{port="b",queue="0"} 3',
      '',
    ]);
  });

  it('has counters of the whole port without a queue', () => {
    expect(prometheusText({ p: counting({ reconnects: 2 }) })).toContain(
      'vio_reconnects_total{port="p"} 2\n',
    );
  });

  it.each([
    ['a"b', 'a\\"b'],
    ['a\\b', 'a\\\\b'],
    ['a\nb', 'a\\nb'],
  ])('escapes the label %j', (name, escaped) => {
    expect(prometheusText({ [name]: counting({ reconnects: 0 }) })).toContain(`{port="${escaped}"} 0`);
  });

  it('tells the link and the pool of a port', () => {
    using port = wiredPort();
    port.setLink({ up: false });
    const text = prometheusText({ p: port });
    expect(text).toContain('vio_link_up{port="p"} 0\n');
    expect(text).toContain(`vio_pool_free_buffers{port="p"} ${port.pool.free}\n`);
  });

  it('is made of nothing but lines of the format, for every counter of a port', () => {
    using port = wiredPort({}, 2);
    port.deliver(frameOf(60));
    port.rx[0].receive(port.burst());
    const lines = prometheusText({ 'a "port"\\\n': port }).trimEnd().split('\n');
    expect(lines.filter((text) => !line.test(text))).toEqual([]);
    expect(lines.filter((text) => !text.startsWith('#'))).toHaveLength(Object.keys(port.stats()).length + 3);
  });

  it('has one HELP and one TYPE for every name', () => {
    using port = wiredPort({}, 2);
    const lines = prometheusText({ a: port, b: port }).split('\n');
    const types = lines.filter((text) => text.startsWith('# TYPE')).map((text) => text.split(' ')[2]);
    const helps = lines.filter((text) => text.startsWith('# HELP')).map((text) => text.split(' ')[2]);
    expect([new Set(types).size, helps]).toEqual([types.length, types]);
  });
});
