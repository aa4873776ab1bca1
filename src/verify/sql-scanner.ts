import type { Store } from '../store/client.ts';
import { type Block, blocks, GROUP_HEIGHT, GROUP_SEQS } from './blocks.ts';
import { readContents } from './contents.ts';
import type { OpenIntent } from './interruptions.ts';
import {
  anyOf,
  PAGE_RANGES,
  type Part,
  packed,
  planScan,
  type Range,
  readHeads,
  readIntents,
  readMarks,
  readPayloads,
  readReferences,
  readRows,
  readTimes,
} from './rows.ts';
import type { Nodes, Payload, Scanned, Scanner, Scope, Time } from './scan.ts';

/** One query scans so many seqs of one chain, or so many rows of small ones: it bounds the engine's memory. */
const PART_SEQS = 262_144;
const PACKED_CHAINS = 500;

/**
 * Hashes in the engine: rows in parallel, one window pass for the links, the tree by groups. Blocks in which nothing is
 * amiss are stretches; of the others the judge gets every row. Being clean here is never less than being clean to the
 * judge.
 */
export function sqlScanner(store: Store, ledgerId: string, scope: Scope = {}): Scanner {
  const plan = planScan(store, PART_SEQS, scope);
  return {
    async total() {
      return (await plan).reduce((sum, part) => sum + part.rows, 0);
    },
    async *scan(): AsyncGenerator<Scanned> {
      const packs = packed(await plan, { rows: PART_SEQS, chains: PACKED_CHAINS });
      for (const parts of packs) yield* scanParts(store, ledgerId, parts, scope);
    },
    payloads: (spans) => readPayloads(store, spans),
    references: (spans) => readReferences(store, spans),
    heads: (places) => readHeads(store, places),
    contents: (places) => readContents(store, places, 'engine'),
  };
}

/** A chain's part with fewer rows is told place by place: the tree takes longer to ask for than to build. */
const TREE_ROWS = 50_000;

const onePart = (tree: 'tree' | 'leaves') =>
  blocks(
    'chain_id = unhex({chain:String}) AND seq BETWEEN {before:UInt64} AND {to:UInt64}',
    'seq >= {from:UInt64}',
    tree,
  );
const ONE_PART = { tree: onePart('tree'), leaves: onePart('leaves') };
const MANY_CHAINS = blocks('chain_id IN (SELECT unhex(arrayJoin({chains:Array(String)})))', '1', 'leaves');
const manyEnds = (parts: readonly Part[]) =>
  blocks(
    anyOf(parts.map((part) => ({ ...part, from: beforeOf(part) }))),
    'seq >= transform(lower(hex(chain_id)), {chains:Array(String)}, {from:Array(UInt64)}, toUInt64(0))',
    'leaves',
  );

function beforeOf({ from }: Range): bigint {
  return from === 0n ? 0n : from - 1n;
}

async function* scanParts(
  store: Store,
  ledger: string,
  parts: readonly Part[],
  scope: Scope,
): AsyncGenerator<Scanned> {
  const names = new Map(parts.map(({ chainBytes, chainId }) => [chainBytes, chainId]));
  const marks = await readMarks(store, parts);
  const found = (await blocksOf(store, ledger, parts, marks, scope)).map((block) => ({
    ...block,
    chainId: names.get(block.bytes)!,
    chainBytes: block.bytes,
    from: BigInt(block.first),
    to: BigInt(block.last),
  }));
  const isClean = ({ clean_rows, rows, from, to }: (typeof found)[number]) =>
    clean_rows === rows && to - from + 1n === BigInt(rows);
  const intents = await intentsIn(
    store,
    found.filter((block) => isClean(block) && block.intents !== '0'),
  );
  let mark = 0;
  for (const block of found) {
    const { chainId, from, to } = block;
    const first = mark;
    while (marks[mark]?.chainId === chainId && marks[mark]!.seq <= to) mark++;
    if (!isClean(block)) {
      yield* readRows(store, [block]);
      continue;
    }
    yield {
      what: 'stretch',
      chainId,
      from,
      to,
      prev: block.prev,
      last: block.head,
      nodes: nodesOf(block),
      marks: marks.slice(first, mark),
      times: await timesOf(store, block),
      intents: intents.filter((each) => each.chainId === chainId && each.seq >= from && each.seq <= to),
      lastCall: block.last_call,
      refers: block.refers !== '0',
    };
  }
}

/** A group of which somebody asks for a place, or a checkpoint stands within, is told place by place. */
function groupsAsked({ chainId, from, to }: Part, marks: readonly Payload[], { asked }: Scope): bigint[] {
  const places = [...(asked?.(chainId) ?? []), ...marks.map(({ seq }) => seq)];
  return [
    ...new Set(places.filter((seq) => seq >= from && seq <= to).map((seq) => seq / BigInt(GROUP_SEQS))),
  ];
}

function blocksOf(
  store: Store,
  ledger: string,
  parts: readonly Part[],
  marks: readonly Payload[],
  scope: Scope,
): Promise<Block[]> {
  const chains = parts.map(({ chainBytes }) => chainBytes);
  const from = parts.map((part) => part.from);
  const [part] = parts;
  if (parts.length === 1) {
    const range = { ledger, chain: chains[0], before: beforeOf(part!), from: from[0], to: part!.to };
    if (part!.rows < TREE_ROWS) return store.query(ONE_PART.leaves, { ...range, all: 1, asked: [] });
    return store.query(ONE_PART.tree, { ...range, all: 0, asked: groupsAsked(part!, marks, scope) });
  }
  // Small chains have as many places that are asked for as others.
  const parameters = { ledger, all: 1, asked: [], chains };
  if (from.some((each) => each > 0n)) return store.query(manyEnds(parts), { ...parameters, from });
  return store.query(MANY_CHAINS, parameters);
}

function nodesOf({ nodes, from }: Block & Range): Nodes[] {
  let at = from;
  return nodes.map(([, isRoot, hex]) => {
    const found = { from: at, height: isRoot ? GROUP_HEIGHT : 0, hashes: Buffer.from(hex, 'hex') };
    at += BigInt(isRoot ? GROUP_SEQS : found.hashes.length / 32);
    return found;
  });
}

async function timesOf(store: Store, block: Block & Range): Promise<Time[]> {
  const { from, to, first_at, last_at } = block;
  const ascends = block.timely === block.rows && first_at.slice(0, 10) === last_at.slice(0, 10);
  if (!ascends) return readTimes(store, block);
  const asked = block.times.map(([seq, at]) => ({ seq: BigInt(seq), at }));
  const between = asked.filter(({ seq }) => seq > from && seq < to);
  return [{ seq: from, at: first_at }, ...between, ...(to > from ? [{ seq: to, at: last_at }] : [])];
}

async function intentsIn(store: Store, ranges: readonly Range[]): Promise<OpenIntent[]> {
  const found: OpenIntent[] = [];
  for (let i = 0; i < ranges.length; i += PAGE_RANGES)
    found.push(...(await readIntents(store, ranges.slice(i, i + PAGE_RANGES))));
  return found;
}
