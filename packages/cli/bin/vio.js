#!/usr/bin/env node
// A file that exists before the build, so that package managers can link it. An old Node is told so before it finds
// something that it cannot read.
import * as modules from 'node:module';
import { machineProblem } from '@vio/native/machine';

// What V8 made of this program is kept for the next start, where Node can (22.8 and newer).
modules.enableCompileCache?.();

const problem = machineProblem();
if (problem === undefined) await import('../dist/main.js');
else {
  process.stderr.write(`vio: ${problem}\n`);
  process.exitCode = 1;
}
