import { FuzzLog, type Fuzzed, Random } from '@vio/rings/testing';
import { openFds } from '@vio/test-support';
import { closeAll } from '../wire/index.ts';
import { supportedProtocolFeatures } from '../backend/protocol/handlers.ts';
import { FuzzedBackend, nextTurn } from './fuzzed-backend.ts';
import { HostileFrontend } from './hostile-frontend.ts';

const messagesPerConnection = 60;
/** Connections between two looks at what is held. */
const connectionsPerLook = 50;

/**
 * Lets hostile frontends talk to backends, without a socket in between: a connection goes on or ends with a reason, which is
 * never an error of ours; bursts on whatever rings there are move or do not; and afterwards nothing is held.
 * @param states messages
 */
export async function fuzzBackend(states: number, seed: number): Promise<Fuzzed> {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  using frontend = new HostileFrontend(random);
  const held = openFds();
  for (let connections = 1; log.open; connections++) {
    const backend = new FuzzedBackend(log);
    if (random.chance(0.7)) {
      const protocol = random.chance(0.8) ? supportedProtocolFeatures & ~(1n << 5n) : 0n;
      for (const [bytes, fds] of frontend.start(protocol)) {
        if (!log.open || backend.over) closeAll(fds);
        else log.state(() => backend.hear(() => backend.stream.feed(bytes, fds)));
      }
    }
    for (let i = 0; i < messagesPerConnection && log.open && !backend.over; i++) {
      log.state(() => backend.hear(() => frontend.send(backend.stream)));
      if (random.chance(0.1)) log.state(() => backend.move(random));
      // Answers go out.
      if (i % 16 === 0) await nextTurn();
    }
    await backend.end();
    if (connections % connectionsPerLook !== 0) continue;
    const now = openFds();
    if (now !== held) log.found(`${now} descriptors are open, there were ${held}`);
  }
  return log.result();
}
