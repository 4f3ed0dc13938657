#!/usr/bin/env node
// A file that exists before the build, so that package managers can link it.
import '../dist/device-plugin/main.js';
