import { createHash, hash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { fromMicroseconds } from '../record/time.ts';
import {
  type Anchor,
  type Anchored,
  type Checkpoint,
  folderOf,
  MAX_NOTE_BYTES,
  mismatch,
  placeOf,
  type ReceiptOf,
  refused,
  type S3Proof,
  sizeAt,
  TIME_LIMIT_MS,
  taken,
  unreachable,
  type Wanted,
  within,
} from './anchor.ts';
import { type Answer, ask, type Question } from './http.ts';
import { errorIn, type ObjectVersion, parseVersions, type VersionsPage } from './s3-versions.ts';
import { type Credentials, encode, queryOf, signed } from './sigv4.ts';

/** Object Lock: COMPLIANCE nobody lifts, not even the account's owner; GOVERNANCE whoever has the right to. */
export interface Lock {
  mode: 'COMPLIANCE' | 'GOVERNANCE';
  days: number;
}

export interface S3Options {
  name: string;
  endpoint: string;
  bucket: string;
  /** Before every key, for instance `ledger/`. @default none */
  prefix?: string | undefined;
  region: string;
  /** `https://endpoint/bucket/key`, else `https://bucket.endpoint/key`. @default true */
  pathStyle?: boolean | undefined;
  lock?: Lock | undefined;
  /** Asked before every publishing and list, so that they may rotate. */
  credentials: () => Credentials;
  clock: Clock;
  /** @default TIME_LIMIT_MS */
  timeLimitMs?: number | undefined;
}

const DAY_US = 86_400e6;
/** Of a page of a list: a thousand versions. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/** Objects read at once. */
const LANES = 8;

interface Request {
  method: Question['method'];
  key?: string;
  query?: (readonly [string, string])[];
  headers?: { [name: string]: string };
  body?: string;
  knows?: readonly number[];
  maxBytes?: number;
}

/**
 * An object a checkpoint, in a bucket with versions and Object Lock. What the store says of it is read back before there
 * is a receipt, so that a store that takes the lock's headers and does nothing is found at once.
 */
export class S3Anchor implements Anchor {
  readonly kind = 's3';
  readonly name: string;
  readonly #options: S3Options;
  readonly #base: URL;
  readonly #limit: number;

  constructor(options: S3Options) {
    this.name = options.name;
    this.#options = options;
    this.#base = new URL(options.endpoint);
    if (options.pathStyle === false) this.#base.hostname = `${options.bucket}.${this.#base.hostname}`;
    this.#limit = options.timeLimitMs ?? TIME_LIMIT_MS;
  }

  publish({ origin, size, root, note }: Checkpoint): Promise<ReceiptOf<'s3'>> {
    const { bucket } = this.#options;
    return within(this.name, this.#limit, async (signal) => {
      const credentials = this.#options.credentials();
      const key = this.#keyOf(origin, size);
      const made = await this.#put(key, note, credentials, signal);
      const there = await this.#ask({ method: 'GET', key, query: at(made) }, credentials, signal);
      // Of one that was there before us nothing is known until now; of ours, that the store has what it was sent.
      if (there.body.toString('utf8') !== note) {
        if (made === undefined) throw taken(this.name, `${bucket}/${key}`);
        throw mismatch(this.name, `${bucket}/${key} does not read back as it was written`);
      }
      const query = at(versionIn(there));
      const head: Request = { method: 'HEAD', key, query };
      const lock = await this.#lockOf(head, made !== undefined, credentials, signal);
      const proof: S3Proof = {
        bucket,
        key,
        etag: there.headers.get('etag') ?? '',
        sha256: hash('sha256', note),
        ...versionIn(there),
        ...(lock === undefined ? {} : { lock }),
      };
      const attested_at = this.#timeOf(there.headers.get('last-modified'));
      return { anchor: this.name, kind: this.kind, origin, size, root, attested_at, proof };
    });
  }

  async list({ origin, from = 0 }: Wanted): Promise<Anchored[]> {
    const { bucket } = this.#options;
    const credentials = this.#options.credentials();
    const prefix = this.#keyOf(origin);
    const found: ObjectVersion[] = [];
    // Names sort as sizes: the store itself passes over those before.
    let next: VersionsPage['next'] =
      from === 0 ? undefined : { key: this.#keyOf(origin, from - 1), version: '' };
    do {
      const page = await within(this.name, this.#limit, (signal) =>
        this.#page(prefix, next, credentials, signal),
      );
      found.push(...page.versions);
      if (page.next !== undefined && page.next.key === next?.key && page.next.version === next.version)
        throw mismatch(this.name, 'its list never ends');
      next = page.next;
    } while (next !== undefined);
    const wanted = found.filter(
      ({ key }) => key.startsWith(prefix) && (sizeAt(key.slice(prefix.length)) ?? -1) >= from,
    );
    const read = async ({ key, version_id, isDeletion, modified }: ObjectVersion): Promise<Anchored> => {
      const attested_at = this.#timeOf(modified);
      const place = `${bucket}/${key}`;
      const common = { anchor: this.name, kind: this.kind, place, version_id, attested_at } as const;
      if (isDeletion) return common;
      const get: Request = {
        method: 'GET',
        key,
        query: [['versionId', version_id]],
        // A byte more than a note may have: what is longer must not look like one.
        headers: { range: `bytes=0-${MAX_NOTE_BYTES}` },
        knows: [206, 416],
      };
      const { status, body } = await within(this.name, this.#limit, (signal) =>
        this.#ask(get, credentials, signal),
      );
      // There is no range in an empty object.
      return { ...common, note: status === 416 ? '' : body.toString('utf8') };
    };
    const anchored: Anchored[] = new Array(wanted.length);
    let taken = 0;
    const lane = async () => {
      for (let i = taken++; i < wanted.length; i = taken++) anchored[i] = await read(wanted[i]!);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    return anchored.sort((a, b) => (a.place < b.place ? -1 : Number(a.place > b.place)));
  }

  /** @returns the version it made, if the bucket has versions; undefined where an object was there. */
  async #put(
    key: string,
    note: string,
    credentials: Credentials,
    signal: AbortSignal,
  ): Promise<Version | undefined> {
    const { lock, clock } = this.#options;
    const until = lock === undefined ? undefined : new Date((clock() + lock.days * DAY_US) / 1_000);
    const put: Request = {
      method: 'PUT',
      key,
      body: note,
      knows: [409, 412],
      headers: {
        'content-type': 'text/plain; charset=utf-8',
        'if-none-match': '*',
        'x-amz-checksum-sha256': hash('sha256', note, 'base64'),
        'x-amz-sdk-checksum-algorithm': 'SHA256',
        ...md5Of(note),
        ...(until === undefined
          ? {}
          : {
              'x-amz-object-lock-mode': lock!.mode,
              'x-amz-object-lock-retain-until-date': until.toISOString(),
            }),
      },
    };
    const answer = await this.#ask(put, credentials, signal);
    if (answer.status === 412) return undefined;
    if (answer.status === 409) {
      const why = errorIn(answer.body.toString('utf8'));
      // Two wrote at once; whoever was first may have failed.
      if (why.startsWith('ConditionalRequestConflict'))
        throw unreachable(this.name, `it answered 409: ${why}`);
      throw refused(this.name, `it answered 409: ${why}`, 'what does the bucket forbid?');
    }
    return versionIn(answer);
  }

  /** @throws SpanledgerError `anchor_mismatch` where a lock was asked for and there is none, or less of it */
  async #lockOf(head: Request, isNew: boolean, credentials: Credentials, signal: AbortSignal) {
    const { lock: asked, clock } = this.#options;
    const { headers } = await this.#ask(head, credentials, signal);
    const mode = headers.get('x-amz-object-lock-mode');
    const until = headers.get('x-amz-object-lock-retain-until-date');
    const time = Date.parse(until ?? '');
    const isLocked = mode !== null && !Number.isNaN(time);
    if (asked !== undefined) {
      const hint = `turn on Object Lock for the bucket ${this.#options.bucket} (it has to be made with it), and let this key read retention`;
      if (!isLocked) throw mismatch(this.name, `${head.key} is not locked`, hint);
      if (asked.mode === 'COMPLIANCE' && mode !== 'COMPLIANCE')
        throw mismatch(this.name, `${head.key} is locked in mode ${mode}, not ${asked.mode}`, hint);
      // One that was there before may have served its time.
      if (isNew && time * 1_000 <= clock())
        throw mismatch(this.name, `${head.key} is locked until ${until} only`, hint);
    }
    return isLocked ? { mode, until: fromMicroseconds(time * 1_000) } : undefined;
  }

  async #page(
    prefix: string,
    from: VersionsPage['next'],
    credentials: Credentials,
    signal: AbortSignal,
  ): Promise<VersionsPage> {
    const query: (readonly [string, string])[] = [
      ['versions', ''],
      ['encoding-type', 'url'],
      ['prefix', prefix],
    ];
    if (from !== undefined) query.push(['key-marker', from.key]);
    if (from !== undefined && from.version !== '') query.push(['version-id-marker', from.version]);
    const list: Request = { method: 'GET', query, maxBytes: MAX_PAGE_BYTES };
    const { body } = await this.#ask(list, credentials, signal);
    const page = parseVersions(body.toString('utf8'));
    if (page === undefined) throw mismatch(this.name, 'what it answered is no list of versions');
    return page;
  }

  async #ask(
    { method, key, query = [], headers = {}, body, knows = [], maxBytes = MAX_NOTE_BYTES + 1 }: Request,
    credentials: Credentials,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { bucket, pathStyle = true, region, clock } = this.#options;
    const place = [...(pathStyle ? [bucket] : []), ...(key === undefined ? [] : [key])].join('/');
    const path = `/${encode(place, '/')}`;
    const payload = hash('sha256', body ?? '');
    const sent = signed(
      {
        method,
        host: this.#base.host,
        path,
        query,
        headers: { ...headers, 'x-amz-content-sha256': payload },
        payload,
      },
      credentials,
      { region, service: 's3', now: clock() },
    );
    const search = query.length === 0 ? '' : `?${queryOf(query)}`;
    return await ask(this.name, {
      method,
      url: `${this.#base.origin}${path}${search}`,
      headers: sent,
      ...(body === undefined ? {} : { body }),
      signal,
      maxBytes,
      knows,
      told: errorIn,
    });
  }

  #keyOf(origin: string, size?: number): string {
    return (
      (this.#options.prefix ?? '') + (size === undefined ? `${folderOf(origin)}/` : placeOf(origin, size))
    );
  }

  #timeOf(text: string | null): string {
    const time = Date.parse(text ?? '');
    if (Number.isNaN(time)) throw mismatch(this.name, 'it does not say when the object was written');
    return fromMicroseconds(time * 1_000);
  }
}

interface Version {
  version_id?: string;
}

function at(version: Version = {}): (readonly [string, string])[] {
  return version.version_id === undefined ? [] : [['versionId', version.version_id]];
}

function versionIn({ headers }: Answer): Version {
  const version_id = headers.get('x-amz-version-id');
  return version_id === null || version_id === 'null' ? {} : { version_id };
}

/** Stores older than the checksum headers ask for it with a lock. A host in FIPS mode has none. */
function md5Of(text: string): { 'content-md5'?: string } {
  try {
    return { 'content-md5': createHash('md5').update(text).digest('base64') };
  } catch {
    return {};
  }
}
