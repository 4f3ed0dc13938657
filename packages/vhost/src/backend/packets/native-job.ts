import { singlesJob } from '@vio/native/internal';
import type { SinglesOptions } from './singles-path.ts';

/** Writes into a job what its kernel does not find changed: jobs of both kernels begin alike. @param job has the queue's description already */
export function beginJob(job: Int32Array, { queue, copier, headerBytes, writable }: SinglesOptions): void {
  job[singlesJob.writable] = writable ? 1 : 0;
  job[singlesJob.prefix] = headerBytes;
  copier.locate(job, singlesJob.table);
  copier.locate(job, singlesJob.avail);
  copier.locate(job, singlesJob.used);
  job[singlesJob.log] = queue.log === undefined ? -1 : copier.localHandle(queue.log.region);
}
