// Open vSwitch in the place of the switch, by an ovs-vsctl that keeps its ports in a directory.
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Fields, failure, pluginOnSwitch } from '../test-support/plugin.ts';

const { at, call, conf } = pluginOnSwitch();

describe('Open vSwitch', () => {
  /** An ovs-vsctl that keeps its ports in a directory, as a database of its own. */
  function openVswitch(): Fields {
    mkdirSync(at('ovs'));
    const script = `#!/bin/sh
echo "$*" >>${at('ovs-calls')}
[ -e ${at('ovs-away')} ] && { echo "ovs-vsctl: unix:db.sock: database connection failed (No such file)" >&2; exit 1; }
shift
[ "$1" = --no-wait ] && shift
case "$1" in
  br-exists) [ "$2" = br0 ] || exit 2 ;;
  add-port) [ "$2" = br0 ] || { echo "ovs-vsctl: no bridge named $2" >&2; exit 1; }
    for word; do case "$word" in options:vhost-server-path=*) echo "\${word#*=}" >${at('ovs')}/$3 ;; esac; done
    [ -e ${at('ovs-slow')} ] && { echo "ovs-vsctl: terminating with signal 14 (Alarm clock)" >&2; exit 142; }
    true ;;
  --if-exists) case "$2" in
    del-port) rm -f ${at('ovs')}/$4 ;;
    get) [ -e ${at('ovs')}/$4 ] && { [ "$5" = name ] && echo "\\"$4\\"" || cat ${at('ovs')}/$4; } ;;
    esac; true ;;
  --format=json) echo '{"data":['$(cd ${at('ovs')}; for port in *; do echo "[\\"$port\\",[\\"map\\",[[\\"vhost-server-path\\",$(cat $port)]]]]"; done | paste -sd,)'],"headings":["name","options"]}' ;;
esac
`;
    writeFileSync(at('ovs-vsctl'), script);
    chmodSync(at('ovs-vsctl'), 0o755);
    return conf({ backend: 'ovs', ovsctl: at('ovs-vsctl') });
  }
  const known = (): string[] => readdirSync(at('ovs'));

  it('gets a port that connects to the socket of the application', async () => {
    const fields = { ...openVswitch(), vlan: 7, mtu: 1400, queues: 2 };
    await call('ADD', fields);
    const [port] = known();
    const added = readFileSync(at('ovs-calls'), 'utf8')
      .split('\n')
      .find((line) => line.includes('add-port'));
    expect(port).toMatch(/^vio[0-9a-f]{12}$/);
    expect(added).toBe(
      `--timeout=5 add-port br0 ${port} tag=7 -- set Interface ${port} type=dpdkvhostuserclient ` +
        `options:vhost-server-path="${at('pods/c1-net1.sock')}" mtu_request=1400 options:n_rxq=2 ` +
        'external_ids:vio-network="fast" external_ids:vio-container="c1"',
    );
  });

  it('is asked for all the rest as well', async () => {
    const fields = openVswitch();
    const prevResult = await call('ADD', fields);
    expect((await failure(call('ADD', fields))).code).toBe(100);
    await call('CHECK', { ...fields, prevResult });
    await call('STATUS', fields);
    await call('ADD', fields, 'c2');
    await call('GC', { ...fields, 'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'net1' }] });
    expect(known()).toHaveLength(1);
    await call('DEL', fields);
    await call('DEL', fields);
    expect(known()).toEqual([]);
    expect((await failure(call('CHECK', { ...fields, prevResult }))).code).toBe(101);
  });

  it('whose database has the port, but whose daemon does not answer, is asked later, and has none then', async () => {
    const fields = openVswitch();
    writeFileSync(at('ovs-slow'), '');
    expect([(await failure(call('ADD', fields))).code, known(), readdirSync(at('pods'))]).toEqual([
      11,
      [],
      [],
    ]);
    rmSync(at('ovs-slow'));
    await call('ADD', fields);
    expect(known()).toHaveLength(1);
  });

  it.each([
    ['a database that is away', 11, () => writeFileSync(at('ovs-away'), ''), {}],
    ['a bridge there is not', 102, () => {}, { bridge: 'none' }],
    ['no ovs-vsctl', 5, () => {}, { ovsctl: '/nowhere/ovs-vsctl' }],
    ['an application that connects', 7, () => {}, { mode: 'client' }],
  ])('fails with %s: %d', async (_, code, prepare, more) => {
    const fields = openVswitch();
    prepare();
    expect((await failure(call('ADD', { ...fields, ...more }))).code).toBe(code);
  });
});
