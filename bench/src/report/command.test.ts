import { describe, expect, it } from 'vitest';
import { fileURLToPath } from 'node:url';
import { commandText } from './command.ts';

describe('commandText', () => {
  it('says testpmd by its name, wherever the one that was measured is', () => {
    const testpmd = '/opt/dpdk-26.07/bin/dpdk-testpmd-native';
    expect(commandText([testpmd, '--no-pci', '--', '-i'], testpmd)).toBe('dpdk-testpmd --no-pci -- -i');
    expect(commandText(['dpdk-testpmd', '-v'], 'dpdk-testpmd')).toBe('dpdk-testpmd -v');
  });

  it('says node, and our programs by their path in the repository', () => {
    const program = fileURLToPath(new URL('../../dist/own/send-one.js', import.meta.url));
    expect(commandText(['taskset', '-c', '0', process.execPath, program, 'SOCKET'])).toBe(
      'taskset -c 0 node bench/dist/own/send-one.js SOCKET',
    );
  });

  it('leaves words alone that only contain such a path', () => {
    const word = `path=${process.execPath}`;
    expect(commandText(['dpdk-testpmd', word])).toBe(`dpdk-testpmd ${word}`);
  });
});
