import { LogArea } from '../migration/log-area.ts';
import { adoptEventFd } from './adopt-event-fd.ts';
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
} satisfies HandlerTable;
