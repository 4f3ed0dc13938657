// A port on the real vhost-net of a stock kernel: the kernel's own network stack is at the other end of the tap.
import { beforeAll, describe, expect, it } from 'vitest';
import { repository } from './checkout.ts';
import { reportOf } from './guest.ts';
import type { Steps } from './guest/steps.ts';
import type { Step } from './guest/vhost-net.ts';
import type { TransferOptions } from './guest/vhost-net/transfer.ts';

const pings: [string, number[]][] = [
  ['mrg_rxbuf=1', [0, 56, 1472, 4000, 8972]],
  ['mrg_rxbuf=0,queue_size=1024', [0, 56, 1472]],
  ['mrg_rxbuf=1,queues=4', [56, 1472, 8972]],
];

const bytes = 2 << 20;
const transfers: TransferOptions[] = [
  { devargs: 'mrg_rxbuf=1', bytes },
  { devargs: 'mrg_rxbuf=0,queue_size=512', bytes },
  { devargs: 'mrg_rxbuf=1,queues=2', bytes },
  { devargs: 'mrg_rxbuf=1', bytes, offloads: true },
  { devargs: 'mrg_rxbuf=1,queue_size=1024', bytes, offloads: true },
  { devargs: 'mrg_rxbuf=1', bytes, mtu: 9000 },
  { devargs: 'mrg_rxbuf=1', bytes, vlan: 100, mtu: 9000 },
  { devargs: 'mrg_rxbuf=0', bytes, vlan: 4094 },
  { devargs: 'mrg_rxbuf=1,queues=2', bytes, vlan: 100, offloads: true },
];
const nameOf = (options: TransferOptions): string => `transfer ${JSON.stringify(options)}`;

/** Queue pairs of a port, and how many of them are in use, round by round. */
const flows: [number, number[]][] = [
  [1, [1]],
  [2, [2]],
  [8, [8]],
  [4, [4, 2, 1, 3, 4]],
];

let reports: Readonly<Record<string, object>>;
beforeAll(async () => {
  const steps: Record<string, Step> = {
    datagrams: ['datagrams'],
    link: ['link'],
    limits: ['limits'],
    compliance: ['compliance'],
    unprivileged: ['unprivileged'],
  };
  for (const [devargs, sizes] of pings) steps[`ping ${devargs}`] = ['ping', devargs, sizes];
  for (const [queues, rounds] of flows) steps[`flows ${queues}`] = ['flows', queues, rounds];
  for (const options of transfers) steps[nameOf(options)] = ['transfer', options];
  const all: Steps<Step> = steps;
  reports = await reportOf('vhost-net', {
    modules: ['vlan', 'bridge'],
    arguments: [JSON.stringify(all)],
    timeout: 360_000,
  });
});

it('passes the suites of devices and ports', () => {
  const { results } = reports['compliance'] as { readonly results: Readonly<Record<string, string>> };
  expect(Object.entries(results).filter(([, result]) => result !== 'passed')).toEqual([]);
  expect(Object.keys(results)).toHaveLength(39);
});

describe('ping', () => {
  it.each(pings)(
    '%s: every echo of %j bytes is answered, and the tap goes with the port',
    (devargs, sizes) => {
      const replies = Object.fromEntries(sizes.map((size) => [size, 5]));
      expect(reports[`ping ${devargs}`]).toEqual({ replies, damaged: 0, tapIsGone: true });
    },
  );
});

describe('TCP between two namespaces over two ports', () => {
  it.each(transfers)('%j: every byte comes back as it went', (options) => {
    // Segments travel put together, in frames beyond the MTU, both ways: so they do with offloads, and with a larger MTU.
    const largeFrames = options.offloads === true || (options.mtu ?? 1500) > 1500;
    expect(reports[nameOf(options)]).toEqual({ sent: bytes, received: bytes, same: true, largeFrames });
  });
});

describe('UDP flows', () => {
  it.each(flows)(
    'over %i queue pairs, %j in use: the answers of each come where it was sent',
    (queues, rounds) => {
      const all = Array.from({ length: 24 }, (_, flow) => flow);
      const answers = (pairs: number) =>
        Array.from({ length: queues }, (_, queue) =>
          all.filter((flow) => flow % pairs === queue).map((flow) => [flow, 3]),
        );
      expect(reports[`flows ${queues}`]).toEqual({
        reports: rounds.map((pairs) => ({ wrong: 0, answers: answers(pairs) })),
        attached: rounds,
      });
    },
  );
});

describe('UDP segmentation offload', () => {
  it('makes datagrams of a frame for the kernel, and a frame of its datagrams', () => {
    expect(reports['datagrams']).toEqual({
      toKernel: { datagrams: [600, 600, 600], same: true },
      fromKernel: [{ bytes: 1800, gsoType: 5, segmentSize: 600, same: true }],
    });
  });
});

describe('the link of a port', () => {
  it("follows the tap's, under another name and in another namespace, until the tap is deleted", () => {
    expect(reports['link']).toMatchObject({
      seen: ['down', 'up', 'down', 'up', 'down', 'up', 'VIO_TAP_GONE'],
      received: { renamed: 20, elsewhere: 20 },
    });
  });
});

describe('a process without privileges', () => {
  it('has a port on the open descriptors it is given, and says what it may not do', () => {
    expect(reports['unprivileged']).toEqual({
      said: {
        uid: 65534,
        codes: {
          'by path': 'VIO_VHOST_NET_PERMISSION',
          'a tap alone': 'VIO_VHOST_NET_PERMISSION',
          'an address of its own': 'VIO_INTERFACE_PERMISSION',
        },
      },
      answered: 10,
      exitCode: 0,
      tapIsGone: true,
    });
  });
});

describe('what the kernel refuses', () => {
  it('has a name', () => {
    expect(reports['limits']).toEqual({
      'regions too many': 'VIO_VHOST_REGIONS',
      'as many as there may be': 'none',
      'a ring outside of them': 'VIO_VHOST_RING',
      'a ring of no power of two': 'VIO_VHOST_RING',
      'a call that is no eventfd': 'VIO_VHOST_EVENTFD',
      'a call that is one': 'none',
      'a ring that has no memory': 'VIO_VHOST_RING',
      'two owners': 'VIO_VHOST_NET_BUSY',
    });
  });
});

it('the example exceptional-path takes frames for the host to its kernel, and sends the others on', async () => {
  const example = `${repository}/examples/exceptional-path/dist/main.js`;
  expect(await reportOf('exceptional-path', { arguments: [example] })).toMatchObject({
    arpReplies: 1,
    echoReplies: 5,
    sentOn: 1,
    exitCode: 0,
  });
});
