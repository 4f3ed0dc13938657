// A thread that forwards: what `vio run --nb-cores` starts.
import { parentPort } from 'node:worker_threads';
import { ForwardThread } from './worker/forward-thread.ts';

if (parentPort === null) throw new Error('this is for a thread that vio starts');
export const thread = new ForwardThread(parentPort);
