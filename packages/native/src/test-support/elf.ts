import { readFileSync } from 'node:fs';

/** What a shared object asks of the machine that loads it. */
export interface ElfNeeds {
  /** Names of the libraries (DT_NEEDED). */
  readonly libraries: readonly string[];
  /** Versions of symbols, such as `GLIBC_2.17` (.gnu.version_r). */
  readonly versions: readonly string[];
  /** `EM_X86_64` is 62, `EM_AARCH64` 183. */
  readonly machine: number;
}

const DT_NULL = 0;
const DT_NEEDED = 1;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_STRTAB = 5;
const DT_VERNEED = 0x6ffffffe;
const DT_VERNEEDNUM = 0x6fffffff;

/** Reads a little-endian ELF64 file as the dynamic linker does: through its program headers (gABI, chapter 5). */
export function elfNeeds(file: string): ElfNeeds {
  const bytes = readFileSync(file);
  const word = (at: number): number => Number(bytes.readBigUInt64LE(at));
  const headers = Array.from({ length: bytes.readUInt16LE(56) }, (_, i) => {
    const at = word(32) + i * bytes.readUInt16LE(54);
    const [offset, address, size] = [word(at + 8), word(at + 16), word(at + 32)];
    return { type: bytes.readUInt32LE(at), offset, address, size };
  });
  /** Where in the file the byte of a virtual address is. */
  const place = (address: number): number => {
    const load = headers.find(
      (h) => h.type === PT_LOAD && address >= h.address && address < h.address + h.size,
    );
    if (load === undefined) throw new Error(`${file} has nothing at ${address}`);
    return address - load.address + load.offset;
  };
  const dynamic = headers.find((header) => header.type === PT_DYNAMIC);
  if (dynamic === undefined) throw new Error(`${file} is not a shared object`);
  const entries: [tag: number, value: number][] = [];
  for (let at = dynamic.offset; word(at) !== DT_NULL; at += 16) entries.push([word(at), word(at + 8)]);
  const valueOf = (tag: number): number => entries.find(([t]) => t === tag)?.[1] ?? 0;

  const strings = place(valueOf(DT_STRTAB));
  const text = (offset: number): string => {
    const begin = strings + offset;
    return bytes.toString('latin1', begin, bytes.indexOf(0, begin));
  };
  const versions: string[] = [];
  let need = valueOf(DT_VERNEEDNUM) === 0 ? 0 : place(valueOf(DT_VERNEED));
  for (let i = 0; i < valueOf(DT_VERNEEDNUM); i++) {
    let aux = need + bytes.readUInt32LE(need + 8);
    for (let j = 0; j < bytes.readUInt16LE(need + 2); j++) {
      versions.push(text(bytes.readUInt32LE(aux + 8)));
      aux += bytes.readUInt32LE(aux + 12);
    }
    need += bytes.readUInt32LE(need + 12);
  }
  const libraries = entries.filter(([tag]) => tag === DT_NEEDED).map(([, value]) => text(value));
  return { libraries, versions, machine: bytes.readUInt16LE(18) };
}
