// A port on the real vhost-net of a stock kernel: the kernel's own network stack is at the other end of the tap.
import { describe, expect, it } from 'vitest';
import { repository, reportOf } from './guest.ts';

interface PingReport {
  readonly features: string;
  readonly replies: Readonly<Record<string, number>>;
  readonly answered: readonly number[];
  readonly received: number;
  readonly tapIsGone: boolean;
}

describe('ping', () => {
  it.each([
    ['mrg_rxbuf=1', [0, 56, 1472, 4000, 8972]],
    ['mrg_rxbuf=0,queue_size=1024', [0, 56, 1472]],
    ['mrg_rxbuf=1,queues=4', [56, 1472, 8972]],
  ])('%s: every echo of %j bytes is answered, and the tap goes with the port', async (devargs, sizes) => {
    const report = await reportOf<PingReport>('ping', { arguments: [devargs, ...sizes.map(String)] });
    expect(report.replies).toEqual(Object.fromEntries(sizes.map((size) => [size, 5])));
    expect(report.tapIsGone).toBe(true);
  });
});

interface TcpReport {
  readonly sent: number;
  readonly received: number;
  readonly same: boolean;
  /** Whether TCP segments travelled put together, in frames beyond the MTU, both ways. */
  readonly largeFrames: boolean;
}

describe('TCP between two namespaces over two ports', () => {
  it.each([
    ['mrg_rxbuf=1', 'off'],
    ['mrg_rxbuf=0,queue_size=512', 'off'],
    ['mrg_rxbuf=1,queues=2', 'off'],
    ['mrg_rxbuf=1', 'on'],
    ['mrg_rxbuf=1,queue_size=1024', 'on'],
  ])('%s, offloads %s: every byte comes back as it went', async (devargs, offloads) => {
    const report = await reportOf<TcpReport>('tcp', { arguments: [devargs, '2', offloads] });
    expect(report).toEqual({
      sent: 2 << 20,
      received: 2 << 20,
      same: true,
      largeFrames: offloads === 'on',
    });
  });
});

interface FaultReport {
  readonly codes: Readonly<Record<string, string>>;
  readonly opened: number;
  readonly refused: number;
  readonly before: object;
  readonly after: object;
}

it('tells what is wrong by name, and keeps nothing of a thousand ports and as many failures', async () => {
  const report = await reportOf<FaultReport>('faults', { arguments: ['1000'], timeout: 240_000 });
  expect(report.codes).toEqual({
    'a name of another kind': 'VIO_TAP_MISMATCH',
    'several queues on a tap of one': 'VIO_TAP_MISMATCH',
    'a tap held by another port': 'VIO_TAP_IN_USE',
    'packed rings': 'VIO_FEATURE_MISSING',
    'a tap deleted under the port': 'VIO_TAP_GONE',
    'a tap renamed under the port': 'VIO_TAP_GONE',
    'without permission': 'VIO_VHOST_NET_PERMISSION',
  });
  expect(report).toMatchObject({ opened: 1000, refused: 1000, after: report.before });
}, 250_000);

it('the example exceptional-path takes frames for the host to its kernel, and sends the others on', async () => {
  const example = `${repository}/examples/exceptional-path/dist/main.js`;
  expect(await reportOf('exceptional-path', { arguments: [example] })).toMatchObject({
    arpReplies: 1,
    echoReplies: 5,
    sentOn: 1,
    exitCode: 0,
  });
});
