/** Tests that the emulator cannot pass whatever the addon does, by what it is that qemu-user does not do. */
export const emulatorLimits: Readonly<Record<string, readonly string[]>> = {
  'keeps the address space of its program within that of its own': [
    'a mapped file of a terabyte costs no memory, and V8 nothing for what is seen of it',
    'a mapped file that is closed gives its address space back when the last of its buffers is gone',
  ],
  'says of a mapping in /proc/self/smaps where it is, but not how much of it is resident': [
    'memory that is created is all resident by default',
  ],
  'shows the /proc/cpuinfo of the machine that it runs on': ['CPU features are those the system reports'],
  'passes on only as many descriptors as it has room for, and forgets the others': [
    'descriptors on a stream beyond what a message may carry are dropped, said so, and none is leaked',
  ],
};
