#!/usr/bin/env node
// A file that exists before the build, so that package managers can link it. An old Node is told so before it finds
// something that it cannot read: here is nothing that came after Node 12.
import { machineProblem } from '@vio/native/machine';

const problem = machineProblem();
if (problem === undefined) void import('../dist/device-plugin/main.js');
else {
  process.stderr.write(`vio-device-plugin: ${problem}\n`);
  process.exitCode = 1;
}
