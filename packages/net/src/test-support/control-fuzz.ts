import { type DeviceQueue, MemoryMap, Region, type RingFormat, createDeviceQueue } from '@vio/rings';
import { type CommandQueue, createCommandQueue } from '@vio/rings/internal';
import { FuzzLog, type Fuzzed, Random } from '@vio/rings/testing';
import { decodeCommand, encodeCommand } from '../control/codec.ts';
import { type ControlCommand, mostTableEntries } from '../control/commands.ts';
import { ControlResponder } from '../control/control-responder.ts';
import { everyFeature } from './control-pair.ts';

const guest = 0x1_0000;
const memoryBytes = 0x1_0000;
const at = { descriptors: 0, driver: 2048, device: 4096 } as const;
const dataAt = 8192;
const answerAt = 40_000;

/** Commands of every kind, with a class and a number of each. */
const samples: readonly ControlCommand[] = [
  { kind: 'rx-mode', mode: 'promiscuous', on: true },
  {
    kind: 'mac-table',
    unicast: ['02:00:00:00:00:01', '02:00:00:00:00:02'],
    multicast: ['01:00:5e:00:00:01'],
  },
  { kind: 'mac-address', mac: '02:00:00:00:00:09' },
  { kind: 'vlan-add', id: 7 },
  { kind: 'vlan-remove', id: 4095 },
  { kind: 'announce-ack' },
  { kind: 'queue-pairs', pairs: 4 },
  {
    kind: 'rss',
    config: {
      hashTypes: 63,
      table: [0, 1, 0, 1],
      unclassified: 0,
      transmitQueues: 2,
      key: new Uint8Array(40),
    },
  },
  { kind: 'hash', config: { hashTypes: 63, key: new Uint8Array(40) } },
  { kind: 'guest-offloads', offloads: 128n },
];
const encodedSamples = samples.map((command) => {
  const { class: controlClass, command: number, data } = encodeCommand(command);
  return { controlClass, number, data: Uint8Array.from(Buffer.concat(data)) };
});

/** What a decoder is to make nothing of, or the command it says: what it takes it must say again. */
export function fuzzCommands(states: number, seed: number): Fuzzed {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  while (log.open) {
    log.state(() => {
      const { controlClass, number, data } = damaged(random);
      const command = decodeCommand(controlClass, number, data);
      if (command === undefined) return undefined;
      log.saw(command.kind);
      if (command.kind === 'rss' && command.config.table.length > mostTableEntries)
        return 'a table too large';
      const again = encodeCommand(command);
      const bytes = Uint8Array.from(Buffer.concat(again.data));
      const third = decodeCommand(again.class, again.command, bytes);
      const said =
        third !== undefined && Buffer.compare(Buffer.concat(encodeCommand(third).data), bytes) === 0;
      return said ? undefined : `${command.kind} does not say the same again`;
    });
  }
  return log.result();
}

/** A command with mistakes. */
function damaged(random: Random): { controlClass: number; number: number; data: Uint8Array } {
  const sample = random.pick(encodedSamples);
  let data = sample.data.slice();
  for (let i = random.below(5); i > 0 && data.length > 0; i--) {
    data[random.below(data.length)] = random.pick([0, 1, 2, 127, 128, 255, random.u32()]);
  }
  if (random.chance(0.2)) data = data.slice(0, random.below(data.length + 1));
  if (random.chance(0.1)) data = Uint8Array.from([...data, ...new Uint8Array(random.below(5))]);
  return {
    controlClass: random.chance(0.95) ? sample.controlClass : random.below(256),
    number: random.chance(0.95) ? sample.number : random.below(256),
    data,
  };
}

/** Drivers that expose anything on a control queue: nothing may throw, and every chain is answered, or breaks the queue. */
export function fuzzResponder(states: number, seed: number): Fuzzed {
  const log = new FuzzLog(states);
  const driver = new HostileControlDriver(new Random(seed), log);
  while (log.open) log.state(() => driver.run());
  return log.result();
}

class HostileControlDriver {
  readonly #random: Random;
  readonly #log: FuzzLog;
  readonly #view = new DataView(new ArrayBuffer(memoryBytes));
  readonly #u8 = new Uint8Array(this.#view.buffer);
  readonly #map: MemoryMap;
  #format: RingFormat = 'split';
  #size = 8;
  #queue: DeviceQueue | undefined;
  #responder: ControlResponder | undefined;

  constructor(random: Random, log: FuzzLog) {
    this.#random = random;
    this.#log = log;
    const region = new Region(this.#view.buffer);
    this.#map = new MemoryMap([{ region, guestAddress: guest, userAddress: 0, size: memoryBytes }]);
  }

  run(): string | undefined {
    const random = this.#random;
    if (this.#queue === undefined || this.#queue.broken !== undefined || random.chance(0.01)) this.#start();
    const { controlClass, number, data } = damaged(random);
    this.#u8[dataAt] = controlClass;
    this.#u8[dataAt + 1] = number;
    this.#u8.set(data, dataAt + 2);
    this.#expose(random.chance(0.8) ? data.length : random.pick([0, 1, 8, 300, 16_382, 16_384, 20_000]));
    this.#u8[answerAt] = 0xee;
    const served = this.#responder?.serve() ?? 0;
    this.#log.saw('served', served);
    const broken = this.#queue?.broken;
    if (broken !== undefined) this.#log.saw(broken.code);
    this.#queue?.callNeeded();
    return served <= this.#size ? undefined : `${served} commands served in a ring of ${this.#size}`;
  }

  #start(): void {
    const random = this.#random;
    this.#u8.fill(0, 0, dataAt);
    this.#format = random.pick<RingFormat>(['split', 'packed']);
    this.#size = random.pick(this.#format === 'packed' ? [3, 8, 64] : [4, 8, 64]);
    const part = (offset: number) => ({ window: 0, offset });
    this.#queue = createDeviceQueue({
      memory: this.#map,
      addresses: { descriptors: part(at.descriptors), driver: part(at.driver), device: part(at.device) },
      size: this.#size,
      features: { format: this.#format, inOrder: false, indirect: true, eventIdx: random.chance(0.3) },
      base: this.#format === 'packed' ? 0x8000_8000 : 0,
    });
    this.#responder = new ControlResponder({
      queue: this.#queue,
      memory: this.#map,
      features: random.chance(0.8) ? everyFeature : 0n,
      execute: ({ kind }) => {
        this.#log.saw(kind);
        return random.chance(0.5);
      },
    });
  }

  /** Header, data and room for an answer in one to three descriptors, with mistakes. */
  #expose(bytes: number): void {
    const random = this.#random;
    const view = this.#view;
    const size = this.#size;
    const packed = this.#format === 'packed';
    const split = random.chance(0.7);
    const whole: [number, number][] = split
      ? [[dataAt, 2], ...(bytes > 0 ? [[dataAt + 2, bytes] as [number, number]] : []), [answerAt, 1]]
      : [
          [dataAt, 2 + bytes],
          [answerAt, 1],
        ];
    const pieces = random.chance(0.05) ? whole.slice(0, 1 + random.below(whole.length)) : whole;
    const base = this.#queue?.base() ?? 0;
    const index = view.getUint16(at.driver + 2, true);
    for (const [i, [offset, length]] of pieces.entries()) {
      const last = i === pieces.length - 1;
      const place = packed ? ((base & 0x7fff) + i) % size : i;
      const descriptor = at.descriptors + 16 * place;
      view.setBigUint64(descriptor, BigInt(random.chance(0.98) ? guest + offset : random.u32()), true);
      view.setUint32(descriptor + 8, random.chance(0.97) ? length : random.pick([0, 1, random.u32()]), true);
      let flags = random.chance(0.97) ? (last ? 2 : 1) : random.below(8);
      if (packed) {
        const wrapped = (base & 0x7fff) + i >= size;
        flags |= ((base >>> 15) & 1) === (wrapped ? 0 : 1) ? 0x80 : 0x8000;
        view.setUint32(descriptor + 12, random.below(size) | (flags << 16), true);
      } else view.setUint32(descriptor + 12, flags | (((i + 1) % size) << 16), true);
    }
    if (packed) return;
    view.setUint16(at.driver + 4 + 2 * (index % size), random.chance(0.98) ? 0 : random.u32(), true);
    view.setUint16(at.driver + 2, index + (random.chance(0.99) ? 1 : random.below(4)), true);
  }
}

/** Devices that use anything: a command is answered once or the queue broken, and the next one can be given or not. */
export function fuzzCommandQueue(states: number, seed: number): Fuzzed {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  const region = new Region(new ArrayBuffer(memoryBytes));
  const start = (): { queue: CommandQueue; format: RingFormat } => {
    region.u8.fill(0, 0, dataAt);
    const format = random.pick<RingFormat>(['split', 'packed']);
    const size = random.pick(format === 'packed' ? [3, 5, 16] : [4, 16]);
    const features = { format, inOrder: false, indirect: false, eventIdx: false };
    return { queue: createCommandQueue({ region, offset: 0, size, features, address: 0 }), format };
  };
  let { queue, format } = start();
  while (log.open) {
    log.state(() => {
      const state = queue.poll();
      if (state === 'broken' || random.chance(0.01)) ({ queue, format } = start());
      else if (state !== 'waiting') {
        queue.submit([
          { offset: dataAt, length: 2, deviceWrites: false },
          ...(random.chance(0.5) ? [{ offset: dataAt + 2, length: 8, deviceWrites: false }] : []),
          { offset: answerAt, length: 1, deviceWrites: true },
        ]);
        if (queue.poll() === 'done') return 'a command is answered before a device has seen it';
      }
      const { device, descriptors } = queue.addresses;
      const used = (device >>> 1) + 1;
      const lie = random.below(10);
      if (lie === 0) random.scramble(region.u8, descriptors, descriptors + 16 * queue.size);
      else if (lie === 1) region.u8[device + random.below(4)] = random.u32();
      else if (format === 'split') region.u16[used]++;
      else
        for (let i = 0; i < queue.size; i++)
          region.u16[(descriptors >>> 1) + 8 * i + 7] = random.pick([0, 0x8080]);
      const now = queue.poll();
      log.saw(`${format} ${now}`);
      queue.nextAvailable();
      return queue.poll() === now ? undefined : `it was ${now}, and is ${queue.poll()} without a change`;
    });
  }
  return log.result();
}
