import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { SpanledgerError } from '../errors.ts';

/**
 * LMDB maps its file and believes it: one that is not its own, or was cut short, ends the process (SIGBUS) or
 * lets it spin. So its file is looked at before it is opened, as far as that takes. This is no reader of LMDB:
 * it knows where pages name other pages, and nothing else.
 *
 *   page  0  number u64 · 8 transaction u64 · 18 flags u16 · 20 end of the list of nodes u16 · 24 nodes' places, u16
 *   meta 24  magic u32 · 48 page size u32 · 88, 136 roots u64: of free pages, of all else · 144 last page in use
 *            u64 · 152 transaction u64
 *   node  0  low half u32 · 4 flags u16 · 6 size of the key u16 · 8 key and data
 *
 * lmdb-js 3.5.6, liblmdb/mdb.c: MDB_page, MDB_meta, MDB_node, MDB_ovpage, MDB_db. All little-endian.
 */
const MAGIC = 0xbeef_c0de;
const META_BYTES = 168;
const PAGE_SIZES: ReadonlySet<number> = new Set(
  [1, 2, 4, 8, 16, 32, 64].map((kilobytes) => kilobytes * 1_024),
);
const PAGE_HEADER = 24;
const NODE_HEADER = 8;
const BRANCH = 0x01;
const LEAF = 0x02;
/** In a leaf's node: its data stands on pages of its own; its data is the root of another tree. */
const BIG = 0x01;
const TREE = 0x02;
const TREE_ROOT = 40;
const EMPTY = 2n ** 64n - 1n;

/** @throws SpanledgerError `journal_corrupt` for a file LMDB must not be given. */
export function refuseDamaged(path: string): void {
  if (!existsSync(path)) return;
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const problem = size === 0 ? undefined : problemOf(fd, size);
    if (problem === undefined) return;
    throw new SpanledgerError('journal_corrupt', `${path} ${problem}`, {
      hint: 'restore it from a backup, or move the journal aside',
    });
  } finally {
    closeSync(fd);
  }
}

function problemOf(fd: number, size: number): string | undefined {
  const first = read(fd, 0, META_BYTES);
  const pageBytes = first?.readUInt32LE(48) ?? 0;
  if (first?.readUInt32LE(24) !== MAGIC || !PAGE_SIZES.has(pageBytes)) return "is no journal's memory";
  const second = read(fd, pageBytes, META_BYTES);
  if (second === undefined || size < 2 * pageBytes) return 'is cut short';
  // As LMDB does: the later of the two.
  const meta = second.readBigUInt64LE(152) > first.readBigUInt64LE(152) ? second : first;
  const pages = Math.floor(size / pageBytes);
  const used = Number(meta.readBigUInt64LE(144)) + 1;
  if (used <= pages) return undefined;
  // It may be whole all the same: free pages at its end were never written.
  const roots = [meta.readBigUInt64LE(88), meta.readBigUInt64LE(136)];
  if (isWhole(fd, pageBytes, pages, roots)) return undefined;
  return `is cut short: it has ${pages} pages, and says that ${used} are in use`;
}

/** Whether every page that a tree names is in the file, and those of the tree itself look like it. */
function isWhole(fd: number, pageBytes: number, pages: number, roots: readonly bigint[]): boolean {
  const due = roots.filter((root) => root !== EMPTY).map(Number);
  for (let seen = 0; due.length > 0; seen++) {
    const at = due.pop()!;
    const page = at < pages && seen < pages ? read(fd, at * pageBytes, pageBytes) : undefined;
    const named = page === undefined ? undefined : pagesNamedBy(page);
    if (named === undefined || named.last >= pages) return false;
    due.push(...named.trees);
  }
  return true;
}

/** Pages of trees below this one, and the last page of data too large for it; undefined for no page of a tree. */
function pagesNamedBy(page: Buffer): { trees: number[]; last: number } | undefined {
  const flags = page.readUInt16LE(18);
  if ((flags & (BRANCH | LEAF)) === 0) return undefined;
  const trees: number[] = [];
  let last = 0;
  try {
    const nodes = page.readUInt16LE(20) >> 1;
    for (let i = 0; i < nodes; i++) {
      const node = PAGE_HEADER + page.readUInt16LE(PAGE_HEADER + 2 * i);
      const kind = page.readUInt16LE(node + 4);
      const data = node + NODE_HEADER + page.readUInt16LE(node + 6);
      if ((flags & BRANCH) !== 0) trees.push(page.readUInt32LE(node) + kind * 2 ** 32);
      else if ((kind & BIG) !== 0)
        last = Math.max(last, Number(page.readBigUInt64LE(data) + page.readBigUInt64LE(data + 16)) - 1);
      else if ((kind & TREE) !== 0 && page.readBigUInt64LE(data + TREE_ROOT) !== EMPTY)
        trees.push(Number(page.readBigUInt64LE(data + TREE_ROOT)));
    }
  } catch {
    // A place outside the page.
    return undefined;
  }
  return { trees, last };
}

/** Undefined where the file has not so many bytes. */
function read(fd: number, offset: number, bytes: number): Buffer | undefined {
  const buffer = Buffer.alloc(bytes);
  return readSync(fd, buffer, 0, bytes, offset) === bytes ? buffer : undefined;
}
