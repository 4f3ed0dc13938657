import { VioError } from '@vio/native';
import { FuzzLog, type Fuzzed, Random } from '@vio/rings/testing';
import { parseVirtioUserConfig } from '../config/config.ts';
import { parseDevargs } from '../config/devargs.ts';

const words =
  'net_virtio_user0 virtio_user path= path=/tmp/x.sock path=/dev/vhost-net queues= queues=2 1 0x10 -1 1e9 NaN , ,, = ' +
  'mac= mac=02:00:00:00:00:01 iface= iface=tap%d ../../x __proto__=1 constructor=1 toString=1 queue_size= 0 ' +
  'queue_size=256 99999999999999999999 server=1 cq=1 packed_vq=1 speed=10000 [ ] " %s%n vectorized=1 mrg_rxbuf=2 in_order=0';
const pieces = [...words.split(' '), ' ', '\0', '\n', 'é', '\ud800', 'a'.repeat(200)];

/** Devargs of any kind: they are taken, or refused by a VioError that can be shown. */
export function fuzzDevargs(states: number, seed: number): Fuzzed {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  while (log.open) {
    log.state(() => {
      const text = randomText(random);
      for (const parse of [parseDevargs, parseVirtioUserConfig]) {
        try {
          const parsed = parse(text);
          log.saw(parse.name);
          if ('path' in parsed && parsed.path.includes('\0'))
            return `a path with NUL: ${JSON.stringify(text)}`;
        } catch (error) {
          if (!VioError.is(error)) return `${String(error)} for ${JSON.stringify(text)}`;
          log.saw(error.code);
        }
      }
      return Object.keys(Object.prototype).length === 0 ? undefined : 'every object has a new property';
    });
  }
  return log.result();
}

function randomText(random: Random): string {
  let text = random.chance(0.3) ? 'path=/tmp/x.sock,' : '';
  for (let i = random.below(10); i > 0; i--) text += random.pick(pieces) + (random.chance(0.6) ? ',' : '');
  if (random.chance(0.1)) {
    for (let i = 0; i < 20; i++) text += String.fromCharCode(random.below(0x3000));
  }
  return text;
}
