// `npm start`: says what is wrong with this machine, in a way that an old Node can read, or goes on to what is done.
//
//   node scripts/start.mjs [SECONDS]
import { refused } from './refused.mjs';

if (!refused()) void import('./first-run.mjs');
