// What every QEMU of these suites is told, because of what it does without acceleration.

/**
 * What a guest's CPU can do: all but what takes QEMU's translation longer. With the first two, kernels copy and clear by instructions that
 * it does byte by byte; with the third, page tables have a level more to walk; with the others, the kernel has translations of its own for
 * what it reads of programs, and what has been translated is forgotten more often.
 */
export const cpu = 'max,erms=off,fsrm=off,la57=off,smap=off,pku=off';

/**
 * A guest's CPUs. A machine of one has room for another that never comes: only where there may be several does QEMU translate barriers.
 * Elsewhere it leaves out `mfence`, and what `lock` means, as if a guest with one CPU were alone with its memory; but a backend is beside
 * it, and now and then a wake-up is lost. The kernel is told how many there are: by what may come it would set up its devices.
 */
export const cpusOf = (count: number): { readonly qemu: string[]; readonly kernel: string } => ({
  qemu: ['-smp', count > 1 ? String(count) : '1,maxcpus=2'],
  kernel: `nr_cpus=${count}`,
});

/** QEMU 7.2 dies (SIGSEGV) when a driver takes MSI-X vectors of a vhost-user device into use. */
export const withoutVectors = 'vectors=0';
