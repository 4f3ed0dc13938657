#!/usr/bin/env node
// A file that exists before the build, so that package managers can link it. An old Node is told so before it finds
// something that it cannot read: here is nothing that came after Node 12. Runtimes show what a plugin says on stderr.
import { createRequire } from 'module';
import { machineProblem } from '@vio/native/machine';

const problem = machineProblem();
if (problem === undefined) createRequire(import.meta.url)('../dist/vio-cni.cjs');
else {
  process.stderr.write(`vio-cni: ${problem}\n`);
  process.exitCode = 1;
}
