import { describe, expect, it } from 'vitest';
import { fromTestpmd } from './testpmd-line.ts';

const words = (line: string): string[] => line.split(' ');

describe("a command line of DPDK's documentation", () => {
  it.each([
    ['-l 0-2 -n 4 -- -i --rxq=1 --txq=1 --nb-cores=1', '--lcores 0-2 --pci -i --rxq=1 --txq=1 --nb-cores=1'],
    [
      '-c 0x7 -n 4 -- -i --txqflags=0xF01 --rxq=1 --txq=1 --nb-cores=1',
      '--lcores 0,1,2 --pci -i --txqflags=0xF01 --rxq=1 --txq=1 --nb-cores=1',
    ],
    [
      '-l 0,1 --no-pci -m 256 --file-prefix=fe --vdev=net_virtio_user0,path=/tmp/s -- -i --disable-hw-vlan --total-num-mbufs 4096',
      '--lcores 0,1 --vdev net_virtio_user0,path=/tmp/s -i',
    ],
    ['-a 0000:00:04.0,vectorized=1 -n4 -- -i -a', '--vdev 0000:00:04.0,vectorized=1 -i -a'],
    ['--no-pci -- -i', '-i'],
    ['--no-pci --no-huge -m 64 -- -i', '--no-huge -i'],
  ])('%s', (line, ours) => {
    expect(fromTestpmd(words(line))).toEqual(words(ours));
  });

  it('without -- is one of ours', () => {
    expect(fromTestpmd(['path=/tmp/s', '-n', '4'])).toEqual(['path=/tmp/s', '-n', '4']);
  });

  it('keeps what nobody knows, so that it is told', () => {
    expect(fromTestpmd(['--no-pci', '--frobnicate', '--', '-i', '--frob=1'])).toEqual([
      '--frobnicate',
      '-i',
      '--frob=1',
    ]);
  });
});
