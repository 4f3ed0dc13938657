// `vio run -i`: testpmd's commands, piped in or from a file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parsePortStats, parseXstats } from '../peers/testpmd-stats.ts';
import { type Ended, Vio, startBackend, vio } from './vio.ts';

let directory: string;
const running: Vio[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vio-prompt-'));
});
afterEach(async () => {
  for (const one of running.splice(0)) await one.interrupt();
  rmSync(directory, { recursive: true });
});

/** A backend; its socket. */
async function backend(mode = 'io', ...args: string[]): Promise<string> {
  const socket = join(directory, `${running.length}.sock`);
  await startBackend(running, socket, '--forward-mode', mode, '--no-telemetry', ...args);
  return socket;
}

/** Somebody at the prompt of `vio run`. */
class Prompt {
  readonly vio: Vio;

  constructor(...args: string[]) {
    this.vio = new Vio(['run', ...args, '--no-telemetry'], {}, 'pipe');
  }

  /** What a command says, up to the next prompt. */
  async run(command: string): Promise<string> {
    await this.vio.says(/testpmd> $/);
    const before = this.vio.stdout.length;
    this.vio.process.stdin?.write(`${command}\n`);
    await this.vio.says(/testpmd> $/, before + command.length + 1);
    return this.vio.stdout.slice(before + command.length + 1).replace(/testpmd> $/, '');
  }

  /** Until a command says that. */
  async until(command: string, pattern: RegExp): Promise<void> {
    while (!pattern.test(await this.run(command))) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async end(command = 'quit'): Promise<Ended> {
    await this.vio.says(/testpmd> $/);
    this.vio.process.stdin?.end(command === '' ? '' : `${command}\n`);
    return this.vio.ended;
  }
}

describe('the prompt', () => {
  it('forwards from start to stop, and says what', async () => {
    const prompt = new Prompt(`path=${await backend()}`, '-i');
    expect(await prompt.run('set fwd macswap')).toBe('Set macswap packet forwarding mode\n');
    expect(await prompt.run('start tx_first 2')).toContain(
      'macswap packet forwarding - ports=1 - cores=1 - streams=1',
    );
    // Both bursts have come back.
    await prompt.until('show port stats 0', /RX-packets: (\d{3}|6[4-9]|[7-9]\d)/);
    const said = await prompt.run('stop');
    const [, received, sent] = /RX-packets: (\d+) .*?TX-packets: (\d+) /s.exec(said) ?? [];
    expect(Number(received)).toBeGreaterThanOrEqual(64);
    expect(Number(sent)).toBeGreaterThanOrEqual(Number(received));
    const stats = parsePortStats(await prompt.run('show port stats 0'));
    const xstats = parseXstats(await prompt.run('show port xstats 0'));
    expect([stats.rxPackets, stats.txPackets]).toEqual([Number(received), Number(sent)]);
    expect([xstats.get('rx_good_packets'), xstats.get('tx_q0_good_packets')]).toEqual([
      Number(received),
      Number(sent),
    ]);
    expect(await prompt.run('clear port stats 0')).toContain('NIC statistics for port 0 cleared');
    expect(parsePortStats(await prompt.run('show port stats 0')).rxPackets).toBe(0);
    expect(await prompt.end()).toMatchObject({
      exitCode: 0,
      stderr: '',
      stdout: expect.stringMatching(/Bye\.\.\.\n$/),
    });
  });

  it('goes on forwarding whatever is typed', async () => {
    const prompt = new Prompt(`path=${await backend('txonly')}`, '-i', '-a', '--forward-mode=rxonly');
    for (const line of [
      'nonsense',
      'set fwd nowhere',
      'port stop 0',
      `show ${'x'.repeat(5000)}`,
      '\u0000\u001b[31m',
    ])
      await prompt.run(line);
    const before = parsePortStats(await prompt.run('show port stats 0')).rxPackets;
    await prompt.until('show port stats 0', new RegExp(`RX-packets: (?!${before} )`));
    // The first line that was wrong is no command.
    expect((await prompt.end('')).exitCode).toBe(2);
  });

  it('stops and starts ports, and opens them anew with what they are to have', async () => {
    const prompt = new Prompt(`path=${await backend('io', '--queues', '2')},cq=1`, '-i', '--rxq=1');
    await prompt.vio.says(/testpmd> $/);
    const mac = /Port 0: (\S+)/.exec(prompt.vio.stdout)?.[1];
    expect(await prompt.run('port reset 0')).toBe('Can not reset port(s), please stop port(s) first.\n');
    await prompt.run('start');
    expect(await prompt.run('port stop 0')).toContain('Please remove port 0 from forwarding configuration');
    await prompt.run('stop');
    await prompt.run('port stop 0');
    expect(await prompt.run('start')).toBe('Not all ports were started\n');
    expect(await prompt.run('show port info 0')).toContain('Link status: down');
    await prompt.run('port config mtu 0 1400');
    await prompt.run('set allmulti 0 on');
    await prompt.run('port config all rxq 2');
    await prompt.run('port config all txd 512');
    await prompt.run('csum set tcp hw 0');
    expect(await prompt.run('port start 0')).toContain(`Port 0: ${mac ?? ''}`);
    const info = await prompt.run('show port info 0');
    expect(info).toMatch(/MTU: 1400\n[^]*Allmulticast mode: enabled\n[^]*Current number of RX queues: 2\n/);
    expect(await prompt.run('show txq info 0 1')).toMatch(
      /Infos for port 0 , TX queue 1 [^]*Number of TXDs: 512\n/,
    );
    expect(await prompt.run('show rxq info 0 2')).toContain('Failed to retrieve information');
    await prompt.run('port stop 0');
    expect(await prompt.run('port close 0')).toContain('Port 0 is closed');
    expect(await prompt.run('show port info 0')).toBe('Port 0 is closed\n');
    expect(await prompt.run('port start 0')).toContain('Port 0: ');
    await prompt.end();
  });

  it('says what is received, and keeps that when a port is opened anew', async () => {
    const features = 'VERSION_1,MRG_RXBUF,CTRL_VQ,CTRL_RX,CTRL_VLAN,CTRL_MAC_ADDR,MQ,RSS';
    const socket = await backend('io', '--queues', '2', '--features', features);
    const prompt = new Prompt(`path=${socket},cq=1`, '-i', '--rxq=2');
    for (const line of [
      'set promisc all on',
      'set allmulti 0 on',
      'set allmulti 0 off',
      'mac_addr add 0 02:00:00:00:00:09',
      'mac_addr add 0 01:00:5e:00:00:01',
      'mac_addr remove 0 01:00:5e:00:00:01',
      'rx_vlan add 7 0',
      'rx_vlan rm 7 0',
      'vlan set strip on 0',
      'port config all rss udp',
      'port config 0 rss reta (0,1),(2,1)',
      `port config 0 rss-hash-key ipv4 ${'5a'.repeat(40)}`,
    ])
      expect([line, await prompt.run(line)]).toEqual([line, '']);
    expect(await prompt.run('mac_addr remove 0 02:00:00:00:00:01')).toContain('No such device or address');
    expect(await prompt.run('mac_addr add 0 00:00:00:00:00:00')).toContain('(VIO_CONTROL_VALUE)');
    expect(await prompt.run('port config 0 rss reta (500,1)')).toContain('(VIO_CONTROL_VALUE)');
    const told = async (): Promise<string[]> => [
      await prompt.run('show port 0 macs'),
      await prompt.run('show port 0 rss-hash key'),
      await prompt.run('show port 0 rss reta 4 (0xd)'),
      (await prompt.run('show port info 0')).replace(/^MAC address.*/m, ''),
    ];
    const before = await told();
    expect(before[0]).toMatch(/MAC address added: 2\n.*\n {2}02:00:00:00:00:09\n$/);
    expect(before[1]).toBe(
      `RSS functions:\n  ipv4  ipv4-udp  ipv6  ipv6-udp\nRSS key:\n${'5A'.repeat(40)}\n`,
    );
    expect(before[2]).toBe(
      [0, 2, 3].map((entry) => `RSS RETA configuration: hash index=${entry}, queue=1\n`).join(''),
    );
    expect(before[3]).toMatch(
      /Promiscuous mode: enabled\nAllmulticast mode: disabled\nVLAN offload: \n {2}strip on/,
    );
    await prompt.run('port stop 0');
    expect(await prompt.run('port reset 0')).toBe('Resetting ports...\nDone\n');
    expect(await prompt.run('start')).toBe('Not all ports were started\n');
    await prompt.run('port start 0');
    expect(await told()).toEqual(before);
    await prompt.end();
  });

  it('takes the link of a port down, and nothing passes until it is up', async () => {
    const prompt = new Prompt(`path=${await backend('txonly')}`, '-i', '-a', '--forward-mode=rxonly');
    await prompt.until('show port stats 0', /RX-packets: [1-9]/);
    await prompt.run('set link-down port 0');
    expect(await prompt.run('show port summary all')).toMatch(/^0 .* down /m);
    const packets = async (): Promise<number> =>
      parsePortStats(await prompt.run('show port stats 0')).rxPackets;
    const down = await packets();
    expect(await packets()).toBe(down);
    await prompt.run('set link-up port 0');
    await prompt.until('show port stats 0', new RegExp(`RX-packets: (?!${down} )`));
    await prompt.end();
  });

  it('tells of a backend that goes, and opens the port on the next one', async () => {
    const socket = await backend();
    const prompt = new Prompt(`path=${socket}`, '-i');
    await prompt.run('start');
    await running.splice(0)[0].interrupt();
    await prompt.vio.says(/Port 0: link state change event: .*\(VIO_/);
    await prompt.run('stop');
    await prompt.run('port stop 0');
    expect(await prompt.run('port reset 0')).toMatch(/\(VIO_SOCKET_MISSING\)\n {2}remedy: /);
    expect(await backend()).toBe(socket);
    expect(await prompt.run('port start 0')).toContain('Port 0: ');
    expect(await prompt.run('show port summary all')).toMatch(/^0 .* up /m);
    await prompt.end();
  });

  it('sends into a VLAN, as long as it is told to', async () => {
    const prompt = new Prompt(`path=${await backend('rxonly')}`, '-i', '--forward-mode=txonly');
    const bytesOfPackets = async (): Promise<number> => {
      await prompt.run('clear port stats 0');
      await prompt.run('start');
      await prompt.until('show port stats 0', /TX-packets: [1-9]/);
      await prompt.run('stop');
      const stats = parseXstats(await prompt.run('show port xstats 0'));
      return (stats.get('tx_good_bytes') ?? 0) / (stats.get('tx_good_packets') ?? 0);
    };
    expect(await prompt.run('tx_vlan set 0 7')).toBe('');
    const tagged = await bytesOfPackets();
    expect(await prompt.run('tx_vlan reset 0')).toBe('');
    expect([tagged, await bytesOfPackets()]).toEqual([64, 60]);
    await prompt.end();
  });

  it('loses nothing that finds no room, with retry', async () => {
    const prompt = new Prompt(`path=${await backend()}`, '-i');
    expect(await prompt.run('set fwd macswap retry')).toBe('Set macswap packet forwarding mode with retry\n');
    expect(await prompt.run('set burst tx delay 2 retry 100')).toBe('');
    const said = await prompt.run('start tx_first 2');
    expect(said).toMatch(/^macswap packet forwarding with retry - ports=1 /m);
    expect(said).toContain('TX retry num: 100, delay between TX retries: 2us');
    await prompt.until('show port stats 0', /RX-packets: [1-9]/);
    expect(await prompt.run('stop')).toMatch(/TX-packets: \d+ +TX-dropped: 0 /);
    expect(await prompt.run('set fwd macswap')).toBe('Set macswap packet forwarding mode\n');
    await prompt.end();
  });

  it('takes ports that are attached, and does without those that are detached', async () => {
    const sockets = [await backend(), await backend(), await backend()];
    const prompt = new Prompt(`path=${sockets[0]}`, '-i');
    expect(await prompt.run(`port attach path=${sockets[1]}`)).toBe(
      'Attaching a new port...\nPort 1 is attached. Now total ports is 2\nDone\n',
    );
    expect(await prompt.run('port attach path=/nowhere')).toContain('(VIO_SOCKET_MISSING)');
    expect(await prompt.run('start')).toBe('Not all ports were started\n');
    await prompt.run('port start 1');
    expect(await prompt.run('start tx_first')).toMatch(/RX P=0\/Q=0 -> TX P=1\/Q=0/);
    await prompt.until('show port stats 1', /RX-packets: [1-9]/);
    expect(await prompt.run('port detach 1')).toContain('Please remove port 1 from forwarding configuration');
    await prompt.run('stop');
    expect(await prompt.run('port detach 1')).toBe('Please stop port 1 first\n');
    await prompt.run('port stop 1');
    expect(await prompt.run('port detach 1')).toBe(
      'Removing a device...\nPort 1 is detached. Now total ports is 1\nDone\n',
    );
    expect(await prompt.run('show port summary all')).not.toMatch(/^1 /m);
    expect(await prompt.run('start')).toMatch(/RX P=0\/Q=0 -> TX P=0\/Q=0/);
    await prompt.run('stop');
    // Those that come later have numbers of their own.
    expect(await prompt.run(`port attach path=${sockets[2]}`)).toContain('Now total ports is 2');
    expect((await prompt.end()).stdout).not.toContain('Port 1 is closed');
  });

  it('forwards by threads, each with queues of its own', async () => {
    const sockets = [await backend('io', '--queues', '2'), await backend('io', '--queues', '2')];
    const prompt = new Prompt(
      ...sockets.map((path) => `path=${path}`),
      '-i',
      '--rxq=2',
      '--txq=2',
      '--nb-cores=2',
    );
    expect(await prompt.run('start tx_first 4')).toMatch(/cores=2 - streams=4\n/);
    const config = await prompt.run('show config fwd');
    expect(config).toMatch(/Logical Core 0 forwards packets on 2 streams:\n {2}RX P=0\/Q=0 -> TX P=1\/Q=0/);
    expect(config).toMatch(/Logical Core 1 forwards packets on 2 streams:\n {2}RX P=0\/Q=1 -> TX P=1\/Q=1/);
    for (const port of [0, 1]) {
      await prompt.until(`show port xstats ${port}`, /rx_q0_good_packets: [1-9]/);
      await prompt.until(`show port xstats ${port}`, /rx_q1_good_packets: [1-9]/);
    }
    expect(await prompt.run('stop')).toMatch(
      /Accumulated forward statistics for all ports\++\n {2}RX-packets: [1-9]/,
    );
    await prompt.run('port stop all');
    await prompt.run('port reset all');
    await prompt.run('port start all');
    await prompt.run('clear port stats all');
    await prompt.run('start tx_first');
    await prompt.until('show port stats 1', /RX-packets: [1-9]/);
    await prompt.run('stop');
    expect(await prompt.end()).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it.each([
    ['4294967295 bursts on every queue', ['start tx_first 4294967295'], []],
    ['the same, by threads', ['start tx_first 4294967295'], ['--nb-cores=2']],
    [
      'as long a retry as there may be',
      ['set fwd txonly retry', 'set burst tx delay 50000 retry 2', 'start'],
      [],
    ],
  ])('hears who wants an end while it does %s', async (_, lines, options) => {
    const prompt = new Prompt(
      `path=${await backend('rxonly', '--queues', '2')}`,
      '-i',
      '--rxq=2',
      ...options,
    );
    for (const line of lines.slice(0, -1)) await prompt.run(line);
    await prompt.vio.says(/testpmd> $/);
    prompt.vio.process.stdin?.write(`${lines.at(-1)}\n`);
    // The line is read.
    await prompt.vio.says(/start.*\n/);
    expect((await prompt.vio.interrupt()).stdout).toMatch(/Bye\.\.\.\n$/);
  });

  it.each([
    ['set burst tx delay 1000000 retry 65535', 'delay=1000000 * retry=65535 > 100000 microseconds - give up'],
    [`set txpkts ${'1,'.repeat(255)}1`, 'nb segments per TX packets=256 > 255 - give up'],
  ])('does not take what nothing could be done with: %.40s', async (line, answer) => {
    const prompt = new Prompt(`path=${await backend()}`, '-i');
    expect(await prompt.run(line)).toBe(`${answer}\n`);
    await prompt.end();
  });

  it('ends with the input, and with SIGINT', async () => {
    const socket = await backend();
    expect((await new Prompt(`path=${socket}`, '-i').end('')).exitCode).toBe(0);
    const prompt = new Prompt(`path=${socket}`, '-i');
    await prompt.run('start');
    expect(await prompt.vio.interrupt()).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('has no escape sequences where there is no terminal', async () => {
    const prompt = new Prompt(`path=${await backend()}`, '-i');
    await prompt.run('help all');
    expect((await prompt.end()).stdout.includes('\u001b')).toBe(false);
  });
});

describe('a script', () => {
  /** Runs a file of commands. */
  async function script(lines: readonly string[], ...args: string[]): Promise<Ended> {
    const file = join(directory, 'script');
    writeFileSync(file, lines.join('\n'));
    return vio('run', `path=${await backend()}`, '--cmdline-file', file, '--no-telemetry', ...args);
  }

  it('is carried out to its end, remarks and empty lines aside', async () => {
    const ended = await script(['# a remark', '', 'set burst 64', 'start', 'stop', 'show port summary all']);
    expect(ended).toMatchObject({ exitCode: 0, stderr: '' });
    expect(ended.stdout).toMatch(
      /packets\/burst=64[^]*Number of available ports: 1[^]*Read CLI commands from /,
    );
  });

  it.each([
    ['is no command', 'set fwd nowhere', 'Bad arguments', 2],
    ['fails', 'stop', 'Packet forwarding not started', 1],
  ])('with a line that %s says which, goes on, and ends with %#', async (_, line, said, exitCode) => {
    const ended = await script(['set burst 16', line, 'show config rxtx', 'quit', 'never']);
    expect(ended.exitCode).toBe(exitCode);
    expect(ended.stdout).toContain(`${join(directory, 'script')}:2: ${said}\n`);
    expect(ended.stdout).toContain('packets/burst=16');
    expect(ended.stdout).not.toContain('Command not found');
  });

  it('that starts forwarding forwards for the time it is given', async () => {
    const ended = await script(['start tx_first'], '--duration', '0.3');
    expect(ended.exitCode).toBe(0);
    expect(ended.stdout).toMatch(/Forward statistics for port 0 [^]*TX-packets: [1-9]/);
  });

  it('that cannot be read ends with 1', async () => {
    const ended = await vio('run', `path=${await backend()}`, '--cmdline-file', join(directory, 'none'));
    expect([ended.exitCode, ended.stdout]).toEqual([1, expect.stringContaining('Failed to open file')]);
  });

  it.each([
    ['has very many lines', () => 'show port stats all\n'.repeat(300_000)],
    ['loads itself again and again', (file: string) => `show port stats all\n${`load ${file}\n`.repeat(50)}`],
  ])('that %s lets packets pass, and ends with SIGINT', async (_, text) => {
    const file = join(directory, 'script');
    writeFileSync(file, text(file));
    const socket = await backend('txonly');
    const forward = ['--forward-mode=rxonly', '-a', '--no-telemetry'];
    const port = new Vio(['run', `path=${socket}`, '--cmdline-file', file, ...forward]);
    await port.says(/RX-packets: [1-9]/);
    const { exitCode, stdout } = await port.interrupt();
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/Bye\.\.\.\n$/);
    expect(stdout.match(/NIC statistics/g)?.length).toBeLessThan(299_999);
  });

  it('that loads itself comes to an end', async () => {
    const file = join(directory, 'script');
    const ended = await script([`load ${file}`]);
    expect([ended.exitCode, ended.stdout]).toEqual([1, expect.stringContaining('files load each other')]);
  });
});

describe("testpmd's command lines", () => {
  it.each([
    '-l 0-2 -n 4 DEVICE -- -i --rxq=1 --txq=1 --nb-cores=1',
    '-c 0x7 -n 4 DEVICE -- -i --txqflags=0xF01 --rxq=1 --txq=1 --nb-cores=1',
    '-l 0,1 --no-pci -m 384 --single-file-segments --file-prefix fe DEVICE -- -i --disable-hw-vlan --total-num-mbufs=4096',
    '-l 0,1 --no-pci DEVICE -- -i --enable-hw-vlan-strip --max-pkt-len=1518 --burst=64 --port-topology=chained',
  ])('are understood as they are: %s', async (line) => {
    const vdev = `--vdev=net_virtio_user0,path=${await backend()}`;
    const prompt = new Prompt(...line.replace('DEVICE', vdev).split(' '));
    expect(await prompt.run('show port summary all')).toMatch(/^0 .* net_virtio_user0 .* up /m);
    expect(await prompt.run('start tx_first')).toContain(
      'io packet forwarding - ports=1 - cores=1 - streams=1',
    );
    await prompt.until('show port stats 0', /RX-packets: [1-9]/);
    expect(await prompt.end()).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('with --txqflags=0xF01 elect the simple transmit path', async () => {
    const vdev = `--vdev=net_virtio_user0,path=${await backend()},mrg_rxbuf=0,in_order=0`;
    const prompt = new Prompt(
      '-c',
      '0x7',
      '-n',
      '4',
      vdev,
      '--',
      '-i',
      '--txqflags=0xF01',
      '--rxq=1',
      '--txq=1',
    );
    expect(await prompt.run('show txq info 0 0')).toContain(
      'Burst mode: split simple Tx (virtio_xmit_pkts_simple)',
    );
    await prompt.run('start tx_first');
    await prompt.until('show port stats 0', /RX-packets: [1-9]/);
    await prompt.end();
  });

  it('without a device mean every card that has a driver for user space', async () => {
    const ended = await vio('run', '-l', '0-2', '-n', '4', '--', '-i', '--rxq=1', '--txq=1', '--nb-cores=1');
    // This machine may have such a card.
    expect(ended.stdout + ended.stderr).toMatch(/VIO_CLI_NO_DEVICE|VIO_PCI_|testpmd> /);
  });
});
