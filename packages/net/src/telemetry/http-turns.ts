import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { type BudgetAccount, WorkBudget } from './work-budget.ts';

/** Milliseconds that a request costs besides its answer: it has been read and taken apart. */
const besides = 0.1;

/**
 * Answers those who ask by HTTP when it is their turn: as lines are, of the same share of the thread's time. A connection is not
 * read while its request waits; who sends several at once is sent away.
 * @param answer as for `createServer` of node:http
 */
export function inTurns(answer: RequestListener, budget = WorkBudget.ofThread): RequestListener {
  const accounts = new WeakMap<Socket, BudgetAccount>();
  const waiting = new WeakSet<Socket>();
  return (request, response) => {
    const { socket } = request;
    if (waiting.has(socket)) {
      socket.destroy();
      return;
    }
    const account = accounts.get(socket) ?? budget.account();
    accounts.set(socket, account);
    waiting.add(socket);
    socket.pause();
    void account.spend(() => {
      waiting.delete(socket);
      socket.resume();
      if (!socket.destroyed) answer(request, response);
    }, besides);
  };
}
