import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Manifest, ManifestFile } from '../../src/chain/manifest.ts';
import { isSpanledgerError } from '../../src/errors.ts';
import { exported, forgeManifest, listing, manifestIn, verified } from '../support/archive-kit.ts';
import { type AttackedLedger, another } from './attacked-ledger.ts';
import type { Attack, Said } from './attacks.ts';

/** An export of the ledger, a file a chain, that something is done to. */
interface Export {
  ledger: AttackedLedger;
  folder: string;
  /** The file of a chain, by the chain's name. */
  path(name: string): string;
  fileOf(name: string, manifest: Manifest): ManifestFile;
}

function attack(
  row: number,
  title: string,
  does: (archive: Export) => unknown,
  finds: string[],
  before: (ledger: AttackedLedger) => Promise<unknown> = async () => {},
): Attack {
  return {
    row,
    title,
    asks: true,
    does: async (ledger): Promise<Said> => {
      await before(ledger);
      const folder = await exported(ledger.store, ledger.emptyFolder(), ledger.now, { rows: 100, chains: 1 });
      const { files } = manifestIn(folder);
      const nameOf = (name: string) =>
        files.find(({ ranges }) => ranges[0]!.chain_id === ledger.ids[name])!.name;
      await does({
        ledger,
        folder,
        path: (name) => join(folder, nameOf(name)),
        fileOf: (name, { files }) => files.find((file) => file.name === nameOf(name))!,
      });
      try {
        return { said: ledger.said(await verified(folder, ledger.trust)) };
      } catch (error) {
        if (!isSpanledgerError(error)) throw error;
        return { said: [error.code] };
      }
    },
    finds,
  };
}

/** The manifest forged by whoever has the ledger's key. */
const forged = (change: (manifest: Manifest, archive: Export) => unknown) => (archive: Export) =>
  forgeManifest(archive.folder, async (manifest) => {
    await change(manifest, archive);
    return manifest;
  });

/** A name in the manifest, of a file that is what the manifest says of it. */
const named = (name: string) =>
  forged((manifest, { fileOf }) => {
    fileOf('B', manifest).name = name;
  });

/** What is said of a chain whose file is not read, but that it is not. */
const WITHOUT_B = ['chain_missing B:0-4'];

/** Rows 40, 42, 66 to 69, 82. */
export const ARCHIVES: Attack[] = [
  attack(
    40,
    'a manifest forged, by another key',
    ({ ledger, folder }) => forgeManifest(folder, (manifest) => manifest, another('K', ledger)),
    ['manifest_invalid :0'],
  ),
  attack(
    40,
    'its count forged, by the ledger’s key',
    forged((manifest, { fileOf }) => {
      fileOf('B', manifest).rows += 1;
    }),
    ['manifest_invalid B:0', 'manifest_invalid B:0'],
  ),
  attack(
    40,
    'its count and range forged, by the ledger’s key',
    forged((manifest, { fileOf }) => {
      const file = fileOf('B', manifest);
      file.rows += 1;
      file.ranges[0]!.ranges[0]![1] += 1;
    }),
    ['manifest_invalid B:0'],
  ),
  attack(
    40,
    'the root of its checkpoint forged, by the ledger’s key',
    forged((manifest, { ledger }) => {
      const tree = { size: 8, peaks: ['e'.repeat(64)] };
      manifest.checkpoint = ledger.note('K', tree);
    }),
    ['manifest_invalid :0'],
  ),
  attack(
    40,
    'its checkpoint by another key',
    forged((manifest, { ledger }) => {
      const tree = { size: 8, peaks: ['e'.repeat(64)] };
      manifest.checkpoint = ledger.note('K', tree, another('K', ledger));
    }),
    ['manifest_invalid :0'],
  ),
  attack(
    42,
    'ranges that overlap',
    forged((manifest, { fileOf }) => {
      fileOf('B', manifest).ranges[0]!.ranges = [
        [0, 2],
        [2, 4],
      ];
    }),
    ['manifest_invalid :0'],
  ),
  attack(
    42,
    'files that overlap',
    forged((manifest) => {
      const [first, second] = manifest.files as [ManifestFile, ManifestFile];
      first.ranges = [...first.ranges, ...second.ranges];
    }),
    ['manifest_invalid :0'],
  ),
  attack(
    42,
    'ranges that leave a hole, where there is a record',
    forged((manifest, { fileOf }) => {
      const file = fileOf('B', manifest);
      file.rows -= 1;
      file.ranges[0]!.ranges = [
        [0, 1],
        [3, 4],
      ];
    }),
    ['manifest_invalid B:2', 'manifest_invalid B:2'],
  ),
  attack(
    42,
    'a hole in the ledger, exported as it is',
    () => {},
    ['manifest_invalid B:2', 'seq_gap B:2'],
    (ledger) => ledger.remove(ledger.at('B', 2)),
  ),
  attack(
    66,
    'a file changed',
    ({ path }) => {
      const bytes = readFileSync(path('B'));
      bytes[100]! ^= 1;
      writeFileSync(path('B'), bytes);
    },
    ['archive_mismatch B:0', ...WITHOUT_B],
  ),
  attack(66, 'a file truncated', ({ path }) => truncateSync(path('B'), 100), [
    'archive_mismatch B:0',
    ...WITHOUT_B,
  ]),
  attack(66, 'a file removed', ({ path }) => rmSync(path('B')), ['archive_missing B:0', ...WITHOUT_B]),
  attack(
    66,
    'a file added',
    ({ folder, path }) => copyFileSync(path('B'), join(folder, 'records-9.parquet')),
    ['archive_unlisted :0'],
  ),
  attack(
    66,
    'two files exchanged',
    ({ path }) => {
      renameSync(path('B'), `${path('B')}~`);
      renameSync(path('C'), path('B'));
      renameSync(`${path('B')}~`, path('C'));
    },
    ['archive_mismatch B:0', 'archive_mismatch C:0', ...WITHOUT_B, 'chain_missing C:0-6'],
  ),
  attack(66, 'the manifest removed', ({ folder }) => rmSync(join(folder, 'manifest')), [
    'archive_missing :0',
  ]),
  attack(
    67,
    'a manifest changed',
    ({ folder }) => {
      const path = join(folder, 'manifest');
      writeFileSync(path, readFileSync(path, 'utf8').replace(/\.\d{3}Z","files"/, '.999Z","files"'));
    },
    ['manifest_invalid :0'],
  ),
  attack(
    67,
    'a manifest re-serialised',
    ({ folder }) => {
      const path = join(folder, 'manifest');
      writeFileSync(path, readFileSync(path, 'utf8').replace('{"checkpoint":', '{ "checkpoint":'));
    },
    ['manifest_invalid :0'],
  ),
  attack(67, 'a manifest with a line more', ({ folder }) => appendFileSync(join(folder, 'manifest'), '\n'), [
    'manifest_invalid :0',
  ]),
  attack(
    68,
    'one file twice under two names',
    ({ folder, path, fileOf }) => {
      copyFileSync(path('B'), join(folder, 'records-9.parquet'));
      return forgeManifest(folder, (manifest) => {
        manifest.files.push({ ...fileOf('B', manifest), name: 'records-9.parquet' });
        return manifest;
      });
    },
    ['manifest_invalid :0'],
  ),
  attack(
    68,
    'one name twice',
    forged((manifest, { fileOf }) => {
      manifest.files.push({ ...fileOf('B', manifest), sha256: 'e'.repeat(64) });
    }),
    ['manifest_invalid :0'],
  ),
  ...['../records.parquet', '/etc/passwd', 'a/b', '..', '.hidden', 'a\\b', 'a\u0000b', '', 'manifest'].map(
    (name) => attack(69, `the name ${JSON.stringify(name)} in a manifest`, named(name), ['archive_refused']),
  ),
  attack(
    69,
    'a file that is a link',
    ({ folder, path }) => {
      renameSync(path('B'), `${folder}.parquet`);
      symlinkSync(`${folder}.parquet`, path('B'));
    },
    ['archive_refused'],
  ),
  attack(
    69,
    'a file that is a pipe',
    ({ path }) => {
      rmSync(path('B'));
      execFileSync('mkfifo', [path('B')]);
    },
    ['archive_refused'],
  ),
  attack(69, 'a line of 65 MiB', ({ folder }) => truncateSync(join(folder, 'manifest'), 65 * 1024 * 1024), [
    'archive_refused',
  ]),
  attack(
    69,
    'a file of a million rows in a few bytes',
    async ({ ledger, folder, path, fileOf }) => {
      rmSync(path('B'));
      await ledger.store.command(
        `INSERT INTO FUNCTION file('${path('B')}', 'Parquet') SELECT 'b' AS chain_id, toUInt64(0) AS seq, 'ledger' AS retention_class, toUInt32(0) AS expires_at, toUInt32(0) AS purge_after, toFixedString('', 32) AS record_hash, repeat('a', 1000) AS payload FROM numbers(1000000) SETTINGS output_format_parquet_row_group_size = 1000000, output_format_parquet_row_group_size_bytes = 10000000000, output_format_parquet_compression_method = 'gzip'`,
      );
      await forgeManifest(folder, (manifest) => {
        const file = fileOf('B', manifest);
        Object.assign(file, listing(folder, file.name));
        return manifest;
      });
    },
    ['archive_refused'],
  ),
  attack(
    69,
    'a file that says in a few bytes how many lists of lists it has',
    async ({ folder, path, fileOf }) => {
      // 33 million of each, in one another: a reader makes room for all of the first of them.
      const list = [0xf9, 0xc0, 0x91, 0xde, 0x0f];
      const footer = Buffer.from([0x19, ...Array.from({ length: 40 }, () => list).flat(), 0]);
      const size = Buffer.alloc(4);
      size.writeUInt32LE(footer.length);
      writeFileSync(path('B'), Buffer.concat([Buffer.from('PAR1'), footer, size, Buffer.from('PAR1')]));
      await forgeManifest(folder, (manifest) => {
        const file = fileOf('B', manifest);
        Object.assign(file, listing(folder, file.name));
        return manifest;
      });
    },
    ['archive_refused'],
  ),
  attack(
    82,
    'a part as the whole: a chain left out, by the ledger’s key',
    ({ folder, path, fileOf }) => {
      rmSync(path('B'));
      return forgeManifest(folder, (manifest) => ({
        ...manifest,
        files: manifest.files.filter((file) => file !== fileOf('B', manifest)),
      }));
    },
    WITHOUT_B,
  ),
  attack(
    82,
    'a part as the whole: the end of the ledger’s own chain left out',
    forged(async (manifest, { ledger }) => {
      const [kept] = await ledger.store.query<{ note: string }>(
        `SELECT JSONExtractString(payload, 'control', 'note') AS note FROM kept.records WHERE ${ledger.at('K', 6)}`,
      );
      manifest.checkpoint = kept!.note;
    }),
    ['manifest_invalid :0'],
    (ledger) => ledger.remove(`${ledger.of('K')} AND seq >= 5`),
  ),
  attack(
    82,
    'a part as the whole: a partition',
    forged((manifest) => {
      Object.assign(manifest, { kind: 'partition', retention_class: 'ledger', partition: '210001' });
    }),
    ['manifest_invalid :0'],
  ),
];
