// A thread that forwards: what `vio run --nb-cores` starts.
import { parentPort, workerData } from 'node:worker_threads';
import { setCpuAffinity } from '@vio/native';
import { ForwardThread } from './worker/forward-thread.ts';
import type { ThreadPlace } from './worker/messages.ts';

if (parentPort === null) throw new Error('this is for a thread that vio starts');
const { cpu } = workerData as ThreadPlace;
if (cpu !== undefined) setCpuAffinity([cpu]);
export const thread = new ForwardThread(parentPort);
