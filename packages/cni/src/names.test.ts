// Names that a runtime or a tenant chooses: they become names of ports and files, and never more than that.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConf } from './conf.ts';
import { parseEnvironment } from './environment.ts';
import { CniError, codes } from './errors.ts';
import { portName, shortPortName } from './names.ts';
import { socketPlace } from './socket-place.ts';
import { pluginOnSwitch } from './test-support/plugin.ts';

const { at, call, conf, ports } = pluginOnSwitch();

/** Anything, and what is nearly a name. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({
    unit: fc.constantFrom(
      'a',
      'B',
      '0',
      '_',
      '.',
      '-',
      ':',
      '/',
      '@',
      ' ',
      '\0',
      '\n',
      '%',
      '{',
      '}',
      '=',
      ';',
      '~',
    ),
    maxLength: 20,
  }),
  fc.constantFrom(
    '.',
    '..',
    '../x',
    '/etc/passwd',
    '-x',
    'x'.repeat(256),
    'x'.repeat(257),
    '\u202e',
    '__proto__',
  ),
  fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/),
);

describe('names', () => {
  it.each([
    ['long ones', 'n'.repeat(256), 'c'.repeat(256), 'i'.repeat(15)],
    ['signs', 'a.b_c-d', 'a.b_c-d', "!#$%&'()*+,-;<="],
  ])('of %s become ports, and are found again', async (_, name, container, ifname) => {
    const env = { CNI_IFNAME: ifname };
    await call('ADD', conf({ name }), container, env);
    expect(ports()).toHaveLength(1);
    await call('GC', conf({ name, 'cni.dev/valid-attachments': [{ containerID: container, ifname }] }));
    expect(ports()).toHaveLength(1);
    await call('DEL', conf({ name }), container, env);
    expect(ports()).toEqual([]);
  });

  it('with anything in them are refused by code, or make one port and two files, which DEL takes away', async () => {
    await fc.assert(
      fc.asyncProperty(text, text, text, async (name, container, ifname) => {
        const env = { CNI_IFNAME: ifname };
        const code = await call('ADD', conf({ name }), container, env).then(
          () => 0,
          (error: unknown) => (error as CniError).code,
        );
        const files = existsSync(at('pods')) ? readdirSync(at('pods')).length : 0;
        expect([
          [0, 1, 2],
          [codes.invalidEnvironment, 0, 0],
          [codes.invalidConf, 0, 0],
        ]).toContainEqual([code, ports().length, files]);
        if (code === 0) await call('DEL', conf({ name }), container, env);
        expect([ports(), existsSync(at('pods')) ? readdirSync(at('pods')) : []]).toEqual([[], []]);
        // The switch's own besides.
        const others = readdirSync(at('.')).filter(
          (file) => file !== 'pods' && !file.startsWith('state.json'),
        );
        expect(others).toEqual(['control.sock']);
      }),
    );
  });

  it('of pods and devices, with anything in them, never lead out of the directory', () => {
    const fields = parseConf(conf({ socketDir: '/pods/{podName}/{podNamespace}' }));
    const place = (args: string): string => {
      const words = { CNI_CONTAINERID: 'c1', CNI_NETNS: '/x', CNI_IFNAME: 'net1', CNI_ARGS: args };
      try {
        return socketPlace(fields, parseEnvironment({ CNI_COMMAND: 'ADD', ...words })).path;
      } catch (error) {
        return error instanceof CniError && error.code === codes.invalidConf ? 'refused' : String(error);
      }
    };
    fc.assert(
      fc.property(text, text, (pod, namespace) => {
        const path = place(`K8S_POD_NAME=${pod};K8S_POD_NAMESPACE=${namespace}`);
        const isInside = path.startsWith('/pods/') && path.split('/').length === 5 && join(path) === path;
        expect(isInside || path === 'refused').toBe(true);
      }),
    );
  });

  it('of two attachments are never one port', () => {
    // What is let in: names of networks and containers, and of interfaces.
    const plain = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,80}$/);
    const attachment = fc.tuple(plain, plain, fc.stringMatching(/^[!-.0-9;-~]{1,15}$/));
    fc.assert(
      fc.property(attachment, attachment, (one, other) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(other));
        const names = [one, other].map(([network, containerId, ifName]) =>
          [portName, shortPortName].map((nameOf) => nameOf(network, { containerId, ifName })),
        );
        expect([names[0][0] === names[1][0], names[0][1] === names[1][1]]).toEqual([false, false]);
        expect(names.every(([long, short]) => long.length <= 128 && short.length <= 15)).toBe(true);
      }),
    );
  });
});
