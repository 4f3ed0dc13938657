import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import { type Socket, connect } from 'node:net';
import { join } from 'node:path';
import { scratchDirectory, turns } from '@vio/test-support';
import { expect, it } from 'vitest';
import { inTurns } from './http-turns.ts';
import { WorkBudget } from './work-budget.ts';

const directory = scratchDirectory('http');
const question = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
let count = 0;

interface Serving extends AsyncDisposable {
  readonly path: string;
  /** Requests so far. */
  answered(): number;
}

async function serve(share: number): Promise<Serving> {
  let answered = 0;
  const server: Server = createServer(
    inTurns((_request, response) => void (answered++, response.end('answer')), new WorkBudget(share)),
  );
  const path = join(directory, `${count++}.sock`);
  server.listen(path);
  await once(server, 'listening');
  return {
    path,
    answered: () => answered,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function client(path: string): Promise<Socket> {
  const socket = connect(path).on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

it('who asks one thing after the other is answered', async () => {
  await using server = await serve(1);
  const socket = await client(server.path);
  const answers: string[] = [];
  for (let i = 0; i < 3; i++) {
    socket.write(question);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    answers.push(answer.toString());
  }
  socket.destroy();
  expect(answers.map((answer) => answer.endsWith('answer'))).toEqual([true, true, true]);
});

it('who asks again as soon as he is answered gets no more than there is time for', async () => {
  // 20 ms are saved up, and a request counts as 0.13 ms at least.
  await using server = await serve(1e-12);
  const clients = await Promise.all(Array.from({ length: 8 }, () => client(server.path)));
  for (const each of clients) {
    each.on('data', () => each.write(question));
    each.write(question);
  }
  await once(clients[0], 'data');
  await turns(2000);
  for (const each of clients) each.destroy();
  expect(server.answered()).toBeGreaterThan(0);
  expect(server.answered()).toBeLessThan(160);
});

it('who asks a thousand things at once is sent away', async () => {
  await using server = await serve(1e-12);
  const socket = await client(server.path);
  socket.write(question.repeat(1000));
  await once(socket.resume(), 'close');
  expect(server.answered()).toBeLessThanOrEqual(160);
});
