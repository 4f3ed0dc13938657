import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFrame } from './decode-frame.ts';

const ether = '0200000000020200000000010'.slice(0, 24);
const hex = (...parts: readonly string[]): Uint8Array =>
  Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');

const ipv4 = (protocol: string, fragment = '0000'): string =>
  `4500 0054 0000 ${fragment} 40 ${protocol} 0000 c6120001 c6120002`;
const ipv6 = (next: string): string =>
  `60000000 0010 ${next} 40 20010db8000000000000000000000001 fe800000000000000000000000000002`;

describe('a decoded frame', () => {
  it.each([
    [
      'UDP',
      hex(ether, '0800', ipv4('11'), '0035 1234 0010 0000'),
      { source: '198.18.0.1', destination: '198.18.0.2', protocol: 'UDP', info: '53 → 4660 8 bytes' },
    ],
    [
      'TCP',
      hex(ether, '0800', ipv4('06'), '0050 c000 00000007 00000000 5012 ffff 0000 0000'),
      {
        source: '198.18.0.1',
        destination: '198.18.0.2',
        protocol: 'TCP',
        info: '80 → 49152 [SYN ACK] seq 7 win 65535',
      },
    ],
    [
      'an ICMP echo in a VLAN',
      hex(ether, '8100 0064 0800', ipv4('01'), '0800 0000'),
      {
        source: '198.18.0.1',
        destination: '198.18.0.2',
        protocol: 'ICMP',
        info: 'VLAN 100: echo request',
      },
    ],
    [
      'a fragment',
      hex(ether, '0800', ipv4('11', '0002'), 'ffffffff'),
      { source: '198.18.0.1', destination: '198.18.0.2', protocol: 'UDP', info: 'fragment at 16' },
    ],
    [
      'a neighbour solicitation',
      hex(ether, '86dd', ipv6('3a'), '8700 0000'),
      {
        source: '2001:db8::1',
        destination: 'fe80::2',
        protocol: 'ICMPv6',
        info: 'neighbour solicitation',
      },
    ],
    [
      'an ARP request',
      hex(ether, '0806 0001 0800 06 04 0001 020000000001 c6120001 000000000000 c6120002'),
      {
        source: '198.18.0.1',
        destination: '198.18.0.2',
        protocol: 'ARP',
        info: 'who has 198.18.0.2? tell 198.18.0.1',
      },
    ],
    [
      'what it does not know',
      hex(ether, '88b5 0000'),
      {
        source: '02:00:00:00:00:01',
        destination: '02:00:00:00:00:02',
        protocol: '0x88b5',
        info: 'from 02:00:00:00:00:01 to 02:00:00:00:00:02',
      },
    ],
  ])('says %s', (_, frame, decoded) => expect(decodeFrame(frame)).toEqual(decoded));

  it('is cut off where the frame is', () => {
    expect(decodeFrame(new Uint8Array(10)).info).toBe('cut off');
  });

  it('is short words and numbers, whatever is in the frame', () => {
    const start = fc.constantFrom('0800', '86dd', '0806', '8100', '88a8', '');
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 128 }), (type, rest) => {
        const frame = Buffer.concat([hex(ether, type), rest]);
        const { source, destination, protocol, info } = decodeFrame(frame);
        const text = `${source} ${destination} ${protocol} ${info}`;
        expect(text).toMatch(/^[\w .:,?[\]→]*$/);
        expect(text.length).toBeLessThan(250);
      }),
      { numRuns: 3000 },
    );
  });
});
