import { describe, expect, it } from 'vitest';
import { Matcher } from './matcher.ts';
import { parseSyntax } from './syntax.ts';
import { promptCommands } from './table.ts';

const known = { ports: [0, 1] };
const matcher = new Matcher(promptCommands);

/** The syntax that a line is, or what is said of it. */
function understood(line: string): string {
  const found = matcher.match(line, known);
  return typeof found === 'string' ? found : found.command.syntax;
}

const lines = `
start
start tx_first
start tx_first 8
stop
quit
help
help all
load /tmp/x
set txpkts 64
set txpkts 64,128,60
set burst 32
  set   burst   32
show rxq info 0 0
show txq info 1 0
clear port stats 0
clear port xstats all
set promisc 0 on
set promisc all off
set allmulti 1 on
mac_addr add 0 02:00:00:00:00:01
mac_addr remove 0 02:00:00:00:00:0A
rx_vlan add 5 0
rx_vlan rm 5 0
rx_vlan add all 0
rx_vlan rm all 0
vlan set strip on 0
vlan set filter off 0
tso set 800 0
tso show 0
csum set tcp hw 0
csum set udp sw 0
csum show 0
port config all rss ip
port config 0 rss reta (0,1),(1,0)
port config mtu 0 1400
port config all rxq 2
port config all txd 512
port 0 rxq 1 stop
show port 0 rss reta 128 (0xffffffffffffffff,0x1)
show port 0 rss-hash key
show port 0 macs
set link-up port 0
set link-down port 1
set eth-peer 0 02:00:00:00:00:01
show fwd stats all
clear fwd stats all
show config fwd
show config rxtx
show config cores
show config txpkts`;
const modes = [
  'io',
  'mac',
  'macswap',
  'rxonly',
  'txonly',
  'flowgen',
  'csum',
  '5tswap',
  'icmpecho',
  'checksum',
];
const shown = ['info', 'stats', 'xstats', 'summary'];
const done = ['start', 'stop', 'reset', 'close'];

describe('a line of testpmd is understood:', () => {
  it.each([
    ...lines.split('\n').slice(1),
    ...modes.map((mode) => `set fwd ${mode}`),
    ...shown.flatMap((what) => [`show port ${what} 0`, `show port ${what} all`]),
    ...done.flatMap((what) => [`port ${what} 0`, `port ${what} all`]),
  ])('%s', (line) => {
    expect(matcher.match(line, known)).toMatchObject({ command: expect.anything() });
  });
});

describe('arguments', () => {
  it('are the words that the syntax leaves open', () => {
    const found = matcher.match('port config 1 rss reta (0,1),(5,0)', known);
    expect(typeof found === 'string' ? found : [found.args.number(0), found.args.text(1)]).toEqual([
      1,
      '(0,1),(5,0)',
    ]);
  });

  it('that may be left out are undefined', () => {
    const found = matcher.match('start tx_first', known);
    expect(typeof found === 'string' ? found : found.args.get(0)).toBeUndefined();
  });
});

describe('a wrong line', () => {
  it('that begins with no command is not found, and the nearest word is named', () => {
    expect(understood('shwo port info 0')).toBe('Command not found\n  did you mean show?');
    expect(understood('xyzzy')).toBe('Command not found\n  help lists the commands');
  });

  it.each([
    ['set fwd macswp', /^Bad arguments\n {2}near "macswp": .*; did you mean macswap\?\n {2}set fwd io\|/],
    ['show port stats 7', /^Bad arguments\n {2}near "7": <ports> \(the number of a port, or all\)\n/],
    ['set burst 0', /near "0": <burst> \(1 to 512\)/],
    ['set burst 513', /near "513"/],
    ['set burst 1e2', /near "1e2"/],
    ['set promisc 0', /more is expected behind "set promisc 0"\n {2}set promisc\|allmulti <ports> on\|off/],
    ['stop now', /near "now": nothing more is expected/],
    ['mac_addr add 0 02:00', /near "02:00": <mac>/],
    ['rx_vlan add 4096 0', /near "4096": <vlans> \(0 to 4095, or all\)/],
  ])('%s has bad arguments, and what is near is shown', (line, said) => {
    expect(understood(line)).toMatch(said);
  });

  it('says no more than a screen, whatever it is', () => {
    for (const line of ['set', 'show', 'port config', `set ${'x'.repeat(10_000)}`]) {
      expect(understood(line).split('\n').length).toBeLessThan(12);
      expect(understood(line).length).toBeLessThan(2000);
    }
  });

  it('commands no terminal', () => {
    for (const line of ['set \u001b[31m', '\u001b[2J', 'set promisc \u0007'])
      expect(understood(line)).not.toMatch(/[^\n -~]/);
  });
});

describe('completion', () => {
  const completed = (line: string): string[] => matcher.complete(line, known)[0];

  it('offers all where VLANs are named', () => {
    expect(completed('rx_vlan add ')).toEqual(['all ']);
  });

  it('of nothing is every first word', () => {
    expect(completed('')).toEqual(
      [...new Set(promptCommands.map(({ syntax }) => syntax.split(' ')[0]))].toSorted(),
    );
  });

  it.each([
    ['sh', ['show ']],
    ['set fwd mac', ['mac', 'macswap']],
    ['set fwd 5', ['5tswap ']],
    ['port st', ['start', 'stop']],
    ['show port info ', ['0', '1', 'all']],
    ['set promisc all o', ['off', 'on']],
    ['nonsense ', []],
    ['set burst ', ['tx ']],
    ['set txpkts ', []],
  ])('of "%s"', (line, words) => {
    expect(completed(line)).toEqual(words);
  });

  it('leads to every command, word by word', () => {
    for (const { syntax } of promptCommands) {
      const line: string[] = [];
      for (const place of parseSyntax(syntax)) {
        const offered = completed([...line, ''].join(' ')).map((word) => word.trim());
        for (const word of place.words) expect(offered).toContain(word);
        line.push(place.words[0] ?? example(place.label));
      }
      expect(understood(line.join(' '))).toBe(syntax);
    }
  });
});

function example(label: string): string {
  const words: Readonly<Record<string, string>> = {
    '<mac>': '02:00:00:00:00:01',
    '<entry>': '(0,0)',
    '<masks>': '(0x1)',
    '<key>': '00ff',
    '<mtu>': '1500',
    '<port>': '0',
  };
  return words[label] ?? '1';
}
