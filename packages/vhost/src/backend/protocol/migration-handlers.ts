import { closeFd, dupFd } from '@vio/native';
import { vhostError } from '../errors/vhost-error.ts';
import { LogArea } from '../migration/log-area.ts';
import { adoptEventFd } from './adopt-event-fd.ts';
import { AnswerWithFd } from './answer-with-fd.ts';
import type { HandlerTable } from './handler.ts';

const nothing = new Uint8Array(0);

/** What this backend does for a guest that is moved elsewhere. */
export const migrationHandlers = {
  /** Frontends differ in what they expect of the answer's payload; none looks at it. */
  SET_LOG_BASE: ({ device }, place, fds) => {
    device.setLog(LogArea.map(place, fds[0], (reason) => device.giveUp(reason)));
    return nothing;
  },
  SET_LOG_FD: ({ device }, _, fds) => {
    device.log.signal = adoptEventFd(fds);
  },
  POSTCOPY_ADVISE: ({ device }) => {
    const fd = dupFd(device.postcopy.advise().fd);
    return new AnswerWithFd(undefined, { fd, close: () => closeFd(fd) });
  },
  POSTCOPY_LISTEN: ({ device }) => {
    if (device.memory !== undefined) throw vhostError('STATE', 'there is memory already, which is all here');
    device.postcopy.listen();
  },
  POSTCOPY_END: ({ device }) => {
    device.postcopy.end();
    return 0n;
  },
} satisfies HandlerTable;
