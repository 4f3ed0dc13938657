import { closeSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, fdFlags, openFds, scratchDirectory } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { EventFd } from './event-fd.ts';
import { type FileKind, closeFd, dupFd, fileKind, sealsOfFd, sizeOfFd } from './fd.ts';
import { SharedMemory } from '../memory/shared-memory.ts';
import { UnixListener } from '../sockets/unix-listener.ts';

const directory = scratchDirectory();
const file = join(directory, 'file');
writeFileSync(file, '12345');
mkdirSync(join(directory, 'directory'));
symlinkSync('nowhere', join(directory, 'dangling'));

describe('file descriptors', () => {
  it('are closed', () => {
    const fd = openSync(file, 'r');
    const before = openFds();
    closeFd(fd);
    expect(openFds()).toBe(before - 1);
  });

  it('that are not open cannot be closed', () => {
    expect(failureOf(() => closeFd(-1)).code).toBe('VIO_SYS_EBADF');
  });

  it('that are not open cannot be duplicated', () => {
    expect(failureOf(() => dupFd(-1)).code).toBe('VIO_SYS_EBADF');
  });

  it('have duplicates that outlive them', () => {
    const event = EventFd.create();
    using other = EventFd.adopt(dupFd(event.fd));
    event.close();
    other.signal();
    expect(other.drain()).toBe(true);
  });

  it('have duplicates that are not inherited', () => {
    const fd = openSync(file, 'r');
    const copy = dupFd(fd);
    expect(fdFlags(copy) & 0o2000000).toBe(0o2000000);
    closeFd(copy);
    closeFd(fd);
  });
});

describe('the kind of a path', () => {
  it.each<[string, FileKind]>([
    [file, 'file'],
    [join(directory, 'directory'), 'directory'],
    [join(directory, 'absent'), 'missing'],
    [join(directory, 'dangling'), 'missing'],
    [join(file, 'below'), 'missing'],
    ['/dev/null', 'character-device'],
  ])('%s is %s', (path, kind) => {
    expect(fileKind(path)).toBe(kind);
  });

  it('is socket where somebody listens', () => {
    using listener = UnixListener.listen(join(directory, 'socket'));
    expect(fileKind(listener.path)).toBe('socket');
  });
});

describe('what is behind a descriptor', () => {
  it('has a kind', () => {
    using event = EventFd.create();
    const fd = openSync(file, 'r');
    expect([fileKind(fd), fileKind(event.fd), fileKind(-1)]).toEqual(['file', 'other', 'missing']);
    closeSync(fd);
  });

  it('has a size', () => {
    const fd = openSync(file, 'r');
    expect([sizeOfFd(fd), sizeOfFd(-1)]).toEqual([5, 0]);
    closeSync(fd);
  });

  it('has seals when it can have them', () => {
    using memory = SharedMemory.create({ size: 1 });
    const fd = openSync(file, 'r');
    expect([sealsOfFd(memory.fd), sealsOfFd(fd)]).toEqual([
      { shrink: true, grow: false, write: false },
      { shrink: false, grow: false, write: false },
    ]);
    closeSync(fd);
  });
});
