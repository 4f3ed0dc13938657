// What a machine that vio does not run on is told. No syntax and no function that came after Node 12: an old Node is to read it.
import { machineProblem } from '../packages/native/scripts/machine.mjs';

/** @returns {boolean} true for such a machine; then the reason is on stderr, and the exit code is 1 */
export function refused() {
  const problem = machineProblem();
  if (problem === undefined) return false;
  process.stderr.write(`vio: ${problem}\n`);
  process.exitCode = 1;
  return true;
}
