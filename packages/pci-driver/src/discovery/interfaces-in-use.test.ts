import { describe, expect, it } from 'vitest';
import { interfacesInUse, routedByIpv4, routedByIpv6 } from './interfaces-in-use.ts';

describe('routes', () => {
  it('of IPv4 name the interfaces they lead through, link-local ones aside', () => {
    const table = [
      'Iface\tDestination\tGateway \tFlags',
      'eth0\t00000000\t0100A8C0\t0003',
      'eth1\t0000000A\t00000000\t0001',
      'eth2\t0000FEA9\t00000000\t0001',
      '',
    ].join('\n');
    expect(routedByIpv4(table)).toEqual(['eth0', 'eth1']);
  });

  it('of IPv6 name the interfaces they lead through, link-local, multicast and loopback ones aside', () => {
    const row = (destination: string, name: string): string =>
      `${destination.padEnd(32, '0')} 40 ${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00000100 00000001 00000000 00000001     ${name}`;
    const table = [row('20010db8', 'eth0'), row('fe80', 'eth1'), row('ff00', 'eth2'), row('', 'lo'), ''];
    expect(routedByIpv6(table.join('\n'))).toEqual(['eth0']);
  });
});

it('the loopback interface of this machine is nobody to be cut off by', () => {
  expect(interfacesInUse()).not.toContain('lo');
});
