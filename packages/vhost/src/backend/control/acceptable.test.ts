import { type ControlCommand, HASH_TYPE_TCPv4, type RssConfig } from '@vio/net';
import { supportedHashTypes } from '@vio/net/internal';
import { describe, expect, it } from 'vitest';
import { acceptable } from './acceptable.ts';

const key = new Uint8Array(40);
const rss = (more: Partial<RssConfig> = {}): ControlCommand => ({
  kind: 'rss',
  config: { hashTypes: supportedHashTypes, key, table: [0, 1], unclassified: 0, transmitQueues: 2, ...more },
});
const pairs = (n: number): ControlCommand => ({ kind: 'queue-pairs', pairs: n });

/** Of a device that offers four pairs, of which the driver has set up the first three. */
const accepted = (command: ControlCommand): boolean => acceptable(command, 4, (pair) => pair < 3);

describe('a device carries out', () => {
  it.each<[string, ControlCommand]>([
    ['as many queue pairs as are set up', pairs(3)],
    ['receive-side scaling over them', rss({ table: [2, 1], unclassified: 2, transmitQueues: 3 })],
    ['a table of 128 entries', rss({ table: Array.from({ length: 128 }, () => 1) })],
    ['no hashing at all, without a key', rss({ hashTypes: 0, key: new Uint8Array(0) })],
    ['hash reports', { kind: 'hash', config: { hashTypes: HASH_TYPE_TCPv4, key } }],
    ['any filter', { kind: 'vlan-add', id: 4095 }],
  ])('%s', (_, command) => {
    expect(accepted(command)).toBe(true);
  });
});

describe('a device refuses', () => {
  it.each<[string, ControlCommand]>([
    ['queue pairs that are not set up', pairs(4)],
    ['queue pairs it did not offer', pairs(5)],
    ['a table that leads there', rss({ table: [0, 3] })],
    ['to put the rest there', rss({ unclassified: 3 })],
    ['to be sent packets from there', rss({ transmitQueues: 4 })],
    ['a table of 256 entries', rss({ table: Array.from({ length: 256 }, () => 1) })],
    ['a key of 39 bytes', rss({ key: new Uint8Array(39) })],
    ['a hash type it does not know', rss({ hashTypes: 1 << 6 })],
    ['reports of a hash type it does not know', { kind: 'hash', config: { hashTypes: 1 << 20, key } }],
  ])('%s', (_, command) => {
    expect(accepted(command)).toBe(false);
  });
});
