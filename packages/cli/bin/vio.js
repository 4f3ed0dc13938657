#!/usr/bin/env node
// A file that exists before the build, so that package managers can link it. An old Node is told so before it finds
// something that it cannot read.
import { machineProblem } from '@vio/native/machine';

const problem = machineProblem();
if (problem === null) await import('../dist/main.js');
else {
  process.stderr.write(`vio: ${problem}\n`);
  process.exitCode = 1;
}
