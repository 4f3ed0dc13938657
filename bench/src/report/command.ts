import { fileURLToPath } from 'node:url';
import { testpmdProgram } from '@vio/test/preflight';

/** Where this checkout's bench is: what is printed says where a program lies in the repository. */
const bench = fileURLToPath(new URL('../../', import.meta.url));

/**
 * A command as somebody types it on another machine: programs by their names, ours by their path in the repository.
 * @param testpmd as it was started: VIO_TESTPMD may name one anywhere
 */
export function commandText(command: readonly string[], testpmd: string = testpmdProgram): string {
  return command.map((word) => wordText(word, testpmd)).join(' ');
}

function wordText(word: string, testpmd: string): string {
  if (word === process.execPath) return 'node';
  if (word === testpmd) return 'dpdk-testpmd';
  return word.startsWith(bench) ? `bench/${word.slice(bench.length)}` : word;
}
