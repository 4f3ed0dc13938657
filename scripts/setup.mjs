// Brings a fresh clone to a built tree: says what is wrong with this machine, in a way that an old Node can read, or goes on
// to what is done. Needs Node, npm and g++.
//
//   node scripts/setup.mjs                       install what is missing, then build
//   node scripts/setup.mjs --after-npm-install   the root's `prepare`: completes a plain `npm install`
import { refused } from './refused.mjs';

if (!refused()) void import('./build-all.mjs');
