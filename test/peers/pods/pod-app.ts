// An application in a container, as anybody writes one: it opens the port that it was given, and talks to testpmd (macswap) over it.
// Usage: pod-app.js FRAMES. Prints who it is, and how many frames came back bit for bit. Frames that nobody answers are sent again.
import { readFileSync, writeFileSync } from 'node:fs';
import { VioError } from '@vio/native';
import { macToBytes } from '@vio/net';
import { openVirtioUser } from '@vio/virtio-user';

const peer = [0x02, 0, 0, 0, 0, 0x99];
const frames = Number(process.argv[2]);

/** What this process may do: ids, capabilities, whether its root directory can be written to. */
function rights(): object {
  const capabilities = /^CapEff:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  let root = 'read-only';
  try {
    writeFileSync('/written', '');
    root = 'writable';
  } catch {
    // As it should be.
  }
  return { uid: process.getuid?.(), capabilities, root };
}

function question(mac: Uint8Array, number: number): Uint8Array {
  const bytes = Uint8Array.from(
    { length: 60 + ((number * 37) % 1400) },
    (_, k) => (k * 7 + number * 31) & 0xff,
  );
  bytes.set([...peer, ...mac, 0x88, 0xb5]);
  bytes[14] = number >>> 8;
  bytes[15] = number & 0xff;
  return bytes;
}

try {
  await using port = await openVirtioUser(undefined, {
    reconnect: { minDelay: 20, maxDelay: 200 },
    timeout: 20_000,
  });
  console.log(JSON.stringify(rights()));
  const mac = macToBytes(port.mac);
  let number = 0;
  const ask = (): void => void port.send(question(mac, number)).catch(() => {});
  const again = setInterval(ask, 300);
  ask();
  while (number < frames) {
    // A link that went down ends the iteration; the port itself comes back.
    for await (const answer of port.packets()) {
      const expected = question(mac, number);
      expected.set([...mac, ...peer]);
      const isAnswer = answer[14] === expected[14] && answer[15] === expected[15];
      if (!isAnswer) continue; // to a question that was asked twice
      if (Buffer.compare(answer, expected) !== 0) throw new Error(`answer ${number} is damaged`);
      if (++number % 100 === 0) console.log(`${number} frames came back`);
      if (number === frames) break;
      ask();
    }
    if (number < frames) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  clearInterval(again);
  console.log(`${number} frames came back, every bit as it was sent`);
} catch (error) {
  console.error(VioError.is(error) ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
}
