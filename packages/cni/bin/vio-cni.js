#!/usr/bin/env node
// A file that exists before the build, so that package managers can link it.
import { createRequire } from 'node:module';

createRequire(import.meta.url)('../dist/vio-cni.cjs');
