#!/usr/bin/env node
// A file that exists before the build, so that package managers can link it. An old Node is told so before it finds
// something that it cannot read: here is nothing that came after Node 12.
import * as modules from 'module';
import { machineProblem } from '@vio/native/machine';

const problem = machineProblem();
if (problem === undefined) {
  // What V8 made of this program is kept for the next start, where Node can (22.8 and newer).
  if (modules.enableCompileCache !== undefined) modules.enableCompileCache();
  void import('../dist/main.js');
} else {
  process.stderr.write(`vio: ${problem}\n`);
  process.exitCode = 1;
}
