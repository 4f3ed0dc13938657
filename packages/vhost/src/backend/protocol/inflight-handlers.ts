import { ringFeatures } from '@vio/rings';
import { closeAll } from '../../wire/index.ts';
import { AnswerWithFd } from './answer-with-fd.ts';
import type { HandlerContext, HandlerTable } from './handler.ts';
import { InflightBuffer } from '../vring/inflight-buffer.ts';
import { vhostError } from '../errors/vhost-error.ts';

/** What this backend does to track unfinished work in memory that outlives it (INFLIGHT_SHMFD). */
export const inflightHandlers = {
  GET_INFLIGHT_FD: (context, { queues, queueSize }) => {
    checkQueues(context, queues);
    const { format } = ringFeatures(context.device.features);
    const { memory, area } = InflightBuffer.create(format, queues, queueSize);
    return new AnswerWithFd(area, memory);
  },
  SET_INFLIGHT_FD: (context, area, fds) => {
    try {
      checkQueues(context, area.queues);
      if (context.device.anyRunning)
        throw vhostError('STATE', 'rings run: their inflight buffer cannot change');
    } catch (error) {
      closeAll(fds);
      throw error;
    }
    context.device.setup.setInflight(InflightBuffer.map(area, fds[0]));
  },
} satisfies HandlerTable;

function checkQueues({ rings: most }: HandlerContext, queues: number): void {
  if (queues <= most) return;
  throw vhostError(
    'INFLIGHT',
    `an inflight buffer for ${queues} rings is asked for, there are at most ${most}`,
  );
}
