import { parentPort, workerData } from 'node:worker_threads';
import { VioError } from '@vio/native';
import { answerAsking } from './asking.ts';
import { LocalThread } from './local-thread.ts';
import {
  type NumberedOrder,
  type Question,
  type ThreadReport,
  type ThreadStart,
  sentError,
} from './messages.ts';
import { TrunkMemory } from './trunk-memory.ts';

/**
 * What a thread of a switch does from its beginning on: it carries out orders, and tells what becomes of its ports.
 * @throws TypeError in a thread that no switch has started
 */
export function runThread(): void {
  const parent = parentPort;
  if (parent === null) throw new TypeError('this is for a thread that a switch starts');
  const { number: own, trunks, asking } = workerData as ThreadStart;
  const say = (report: ThreadReport): void => parent.postMessage(report);
  const thread = new LocalThread(
    own,
    trunks.map(({ thread: number, from, to, counters }) => ({
      thread: number,
      from: TrunkMemory.open(from),
      to: TrunkMemory.open(to),
      counters: new Float64Array(counters),
    })),
    {
      changed: (port, connected) => say({ kind: 'changed', port, connected }),
      trouble: (port, what, { code, message }) =>
        say({ kind: 'trouble', port, what, reason: { code, message } }),
    },
  );
  // What is no VioError is a defect, and ends the thread.
  parent.on('message', ({ id, order }: NumberedOrder) => {
    void thread.do(order).then(
      () => say({ kind: 'done', id, error: undefined }),
      (error: unknown) => {
        if (!VioError.is(error)) throw error;
        say({ kind: 'done', id, error: sentError(error) });
      },
    );
  });
  answerAsking(asking, (asked) => {
    const question = asked as Question;
    if (question === undefined) return thread.awake;
    const { port, what } = question;
    const seen = thread.see(port, what);
    // All at once: what is asked for later would be asked for in another thread.
    return what === 'dump' ? [...(seen as Iterable<object>)] : seen;
  });
  say({ kind: 'ready' });
}
