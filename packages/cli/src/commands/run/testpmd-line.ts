/** Options of DPDK's environment that take a value, and mean nothing here: there is nothing to reserve, and no other process. */
const droppedValues = setOf(
  '-n -m -r -d -b -s -S --block --main-lcore --master-lcore --file-prefix --proc-type --socket-mem',
  '--socket-limit --huge-dir --iova-mode --log-level --base-virtaddr --force-max-simd-bitwidth',
  '--vfio-intr --vfio-vf-token --syslog --mbuf-pool-ops-name --match-allocations',
);
/** Those without one. */
const dropped = setOf(
  '--in-memory --single-file-segments --legacy-mem --no-shconf --no-telemetry --telemetry',
  '--no-hpet --no-pci --huge-unlink --create-uio-dev --vmware-tsc-map -v',
);
/** Options of testpmd that say what is so here anyway, or where there is no such thing. */
const withoutMeaning = setOf(
  '--numa --no-numa --mp-anon --mp-alloc --disable-crc-strip --disable-hw-vlan --disable-rss',
  '--disable-hw-vlan-filter --disable-hw-vlan-strip --disable-hw-vlan-extend --enable-drop-en',
  '--no-flush-rx --rss-ip --rss-udp --no-lsc-interrupt --no-rmv-interrupt --disable-device-start',
  '--hot-plug --record-core-cycles',
);
const withoutMeaningValues = setOf(
  '--total-num-mbufs --mbuf-size --mbcache --socket-num --port-numa-config --ring-numa-config',
  '--coremask --portmask --portlist --rxfreet --txfreet --rxpt --rxht --rxwt --txpt --txht --txwt',
  '--txrst',
);
/** Options of DPDK's environment by ours. */
const mapped: Readonly<Record<string, string>> = {
  '-a': '--vdev',
  '-w': '--vdev',
  '--allow': '--vdev',
  '--pci-whitelist': '--vdev',
  '--vdev': '--vdev',
  '-l': '--lcores',
  '--lcores': '--lcores',
  '-c': '--coremask',
};

/**
 * A command line of testpmd, as `vio run` understands it: options of DPDK's environment are in front of `--`, testpmd's own behind
 * it. What names no device means all that have a driver for user space, as there, unless it says `--no-pci`.
 * @param args behind `vio run`
 * @returns the same without `--`, and without what has no meaning here; as they were, when there is no `--`
 */
export function fromTestpmd(args: readonly string[]): string[] {
  const end = args.indexOf('--');
  if (end === -1) return [...args];
  const environment = fromEnvironment(args.slice(0, end));
  const own = dropping(args.slice(end + 1), withoutMeaning, withoutMeaningValues);
  return [...environment, ...own];
}

function fromEnvironment(args: readonly string[]): string[] {
  const known = dropping(args, dropped, droppedValues);
  const ours: string[] = [];
  let devices = false;
  for (let i = 0; i < known.length; i++) {
    const [name, value] = split(known[i]);
    const option = mapped[name];
    if (option === undefined) {
      devices ||= !name.startsWith('-');
      ours.push(known[i]);
      continue;
    }
    devices ||= option === '--vdev';
    const given = value ?? known[++i] ?? '';
    // A mask of CPUs is a list of them.
    ours.push(
      option === '--coremask' ? '--lcores' : option,
      option === '--coremask' ? maskList(given) : given,
    );
  }
  return devices || args.includes('--no-pci') ? ours : [...ours, '--pci'];
}

/** Without options that are known to mean nothing, and their values. */
function dropping(
  args: readonly string[],
  flags: ReadonlySet<string>,
  withValue: ReadonlySet<string>,
): string[] {
  const left: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const [name, value] = split(args[i]);
    if (flags.has(name)) continue;
    if (!withValue.has(name)) left.push(args[i]);
    else if (value === undefined) i++;
  }
  return left;
}

/** `--name=value`, `-n4`, or an option without a value in the same word. */
function split(arg: string): [name: string, value: string | undefined] {
  const long = /^(--[\w-]+)=(.*)$/s.exec(arg);
  if (long !== null) return [long[1], long[2]];
  const short = /^(-[a-zA-Z])(.+)$/s.exec(arg);
  return short === null ? [arg, undefined] : [short[1], short[2]];
}

/** CPUs of a mask in hexadecimal, as in `0x7`: `0,1,2`. */
function maskList(mask: string): string {
  if (!/^(0x)?[\da-f]+$/i.test(mask)) return mask;
  let rest = BigInt(mask.toLowerCase().startsWith('0x') ? mask : `0x${mask}`);
  const cpus: number[] = [];
  for (let cpu = 0; rest > 0n; cpu++, rest >>= 1n) if ((rest & 1n) !== 0n) cpus.push(cpu);
  return cpus.join(',');
}

/** The words of some lines. */
function setOf(...lines: readonly string[]): ReadonlySet<string> {
  return new Set(lines.flatMap((line) => line.split(' ')));
}
