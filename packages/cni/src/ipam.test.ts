// Addresses, which another plugin has.
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Fields, failure, pluginOnSwitch } from './test-support/plugin.ts';

const { at, call, conf, ports } = pluginOnSwitch();

describe('IPAM', () => {
  /** A plugin that answers what it is told, and notes its calls. */
  function ipam(answer: object, exitCode = 0): Fields {
    mkdirSync(at('bin'), { recursive: true });
    const script = `#!/bin/sh\ncat >${at('ipam-stdin')}\necho $CNI_COMMAND $CNI_CONTAINERID >>${at('ipam-calls')}\necho '${JSON.stringify(answer)}'\nexit ${exitCode}\n`;
    writeFileSync(at('bin/addresses'), script);
    chmodSync(at('bin/addresses'), 0o755);
    return { ipam: { type: 'addresses', subnet: '10.0.0.0/24' } };
  }
  const calls = (): string[] => readFileSync(at('ipam-calls'), 'utf8').trim().split('\n');

  it('gives the interface its addresses, and is told of the end', async () => {
    const fields = conf(
      ipam({ cniVersion: '1.1.0', ips: [{ address: '10.0.0.5/24' }], routes: [{ dst: '0.0.0.0/0' }] }),
    );
    const result = await call('ADD', fields);
    await call('CHECK', { ...fields, prevResult: result });
    await call('DEL', fields);
    expect(result).toMatchObject({
      ips: [{ address: '10.0.0.5/24', interface: 0 }],
      routes: [{ dst: '0.0.0.0/0' }],
    });
    expect([calls(), JSON.parse(readFileSync(at('ipam-stdin'), 'utf8'))]).toEqual([
      ['ADD c1', 'CHECK c1', 'DEL c1'],
      fields,
    ]);
  });

  it('that fails is the failure, in its own words, and the port is gone', async () => {
    const { code, message } = await failure(
      call('ADD', conf(ipam({ code: 120, msg: 'no address left' }, 1))),
    );
    expect([code, message, ports(), readdirSync(at('pods'))]).toEqual([120, 'no address left', [], []]);
  });

  it.each<[object]>([[{ ips: 'none' }], [{ interfaces: [{}] }], [[]]])(
    'that answers what is no result (%j) is an error, and the port is gone',
    async (answer) => {
      const { code, message } = await failure(call('ADD', conf(ipam(answer))));
      expect([code, message, ports(), readdirSync(at('pods'))]).toEqual([
        6,
        expect.stringContaining('addresses'),
        [],
        [],
      ]);
    },
  );

  it('that is not there is an error that says where it was looked for', async () => {
    const { code, message } = await failure(call('ADD', conf({ ipam: { type: 'nobody' } })));
    expect([code, message, ports()]).toEqual([5, expect.stringContaining(at('bin')), []]);
  });
});
