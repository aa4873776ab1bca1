import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Said, serving } from './server.ts';

interface Version {
  id: string;
  modified: Date;
  /** Absent: a delete marker. */
  body?: Buffer;
  lock?: { mode: string; until: string };
}

export const KEY = { accessKeyId: 'AKIATEST', secretAccessKey: 'a-secret/of+the-test' };
export const REGION = 'eu-central-1';

/**
 * A bucket as S3 is: versions, delete markers, If-None-Match, checksums, Object Lock, signatures that it works out by
 * itself from what arrived. `pageSize` versions a page of a list. Whoever owns the disks under it may `overwrite`,
 * `hide` and `purge`.
 */
export class S3Server {
  url = '';
  hasLock = true;
  pageSize = 1_000;
  /** What a lying or broken store does instead. */
  lies: (request: IncomingMessage, said: Said) => Said | 'never' = (_, said) => said;
  readonly requests: string[] = [];
  readonly #objects = new Map<string, Version[]>();
  #versions = 0;

  static async start(): Promise<S3Server> {
    const server = new S3Server();
    server.url = await serving((request, body) => server.lies(request, server.#answer(request, body)));
    return server;
  }

  versionsOf(key: string): readonly Version[] {
    return this.#objects.get(key) ?? [];
  }

  overwrite(key: string, body: string | undefined, lock?: Version['lock']): string {
    const id = `v${String(++this.#versions).padStart(6, '0')}`;
    const versions = this.#objects.get(key) ?? [];
    versions.push({
      id,
      modified: new Date(Math.floor(Date.now() / 1_000) * 1_000),
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
      ...(lock === undefined ? {} : { lock }),
    });
    this.#objects.set(key, versions);
    return id;
  }

  hide(key: string): string {
    return this.overwrite(key, undefined);
  }

  purge(key: string): void {
    this.#objects.delete(key);
  }

  #answer(request: IncomingMessage, body: Buffer): Said {
    const url = new URL(request.url!, this.url);
    this.requests.push(`${request.method} ${url.pathname}`);
    const refusal = refusalOf(request, url, body);
    if (refusal !== undefined) return refusal;
    if (url.pathname === '/bucket' && url.searchParams.has('versions')) return this.#list(url.searchParams);
    const key = /^\/bucket\/(.+)$/.exec(decodeURIComponent(url.pathname))?.[1];
    if (key === undefined) return failed(404, 'NoSuchBucket');
    return request.method === 'PUT' ? this.#put(key, request, body) : this.#get(key, url, request);
  }

  #put(key: string, { headers }: IncomingMessage, body: Buffer): Said {
    const newest = this.versionsOf(key).at(-1);
    if (headers['if-none-match'] === '*' && newest?.body !== undefined)
      return failed(412, 'PreconditionFailed');
    if (headers['x-amz-checksum-sha256'] !== createHash('sha256').update(body).digest('base64'))
      return failed(400, 'BadDigest');
    const mode = headers['x-amz-object-lock-mode'] as string | undefined;
    const until = headers['x-amz-object-lock-retain-until-date'] as string | undefined;
    if ((mode === undefined) !== (until === undefined)) return failed(400, 'InvalidArgument');
    if (mode !== undefined && !this.hasLock)
      return failed(400, 'InvalidRequest', 'no ObjectLockConfiguration');
    if (until !== undefined && Date.parse(until) <= Date.now()) return failed(400, 'InvalidArgument');
    const lock = mode === undefined ? undefined : { mode, until: until! };
    const id = this.overwrite(key, body.toString(), lock);
    return { status: 200, headers: { 'x-amz-version-id': id, etag: etagOf(body) } };
  }

  #get(key: string, url: URL, { headers }: IncomingMessage): Said {
    const wanted = url.searchParams.get('versionId');
    const versions = this.versionsOf(key);
    const found = wanted === null ? versions.at(-1) : versions.find(({ id }) => id === wanted);
    if (found?.body === undefined) return failed(404, 'NoSuchKey');
    const last = Number(/^bytes=0-(\d+)$/.exec(headers.range ?? '')?.[1] ?? Number.POSITIVE_INFINITY);
    if (headers.range !== undefined && found.body.length === 0) return failed(416, 'InvalidRange');
    return {
      status: headers.range === undefined ? 200 : 206,
      headers: {
        'x-amz-version-id': found.id,
        etag: etagOf(found.body),
        'last-modified': found.modified.toUTCString(),
        ...(found.lock === undefined
          ? {}
          : {
              'x-amz-object-lock-mode': found.lock.mode,
              'x-amz-object-lock-retain-until-date': found.lock.until,
            }),
      },
      body: found.body.subarray(0, last + 1),
    };
  }

  #list(query: URLSearchParams): Said {
    const after = [query.get('key-marker') ?? '', query.get('version-id-marker')] as const;
    const all = [...this.#objects]
      .filter(([key]) => key.startsWith(query.get('prefix') ?? ''))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([key, versions]) => versions.map((version) => ({ key, ...version })).reverse());
    const passed = all.findIndex(({ key, id }) => key === after[0] && id === after[1]);
    const rest = after[1] === null ? all.filter(({ key }) => key > after[0]) : all.slice(passed + 1);
    const page = rest.slice(0, this.pageSize);
    const last = page.at(-1);
    const entries = page.map(({ key, id, modified, body }) => {
      const element = body === undefined ? 'DeleteMarker' : 'Version';
      return `<${element}><Key>${encodeURIComponent(key)}</Key><VersionId>${id}</VersionId><LastModified>${modified.toISOString()}</LastModified></${element}>`;
    });
    const more =
      rest.length > page.length
        ? `<IsTruncated>true</IsTruncated><NextKeyMarker>${encodeURIComponent(last!.key)}</NextKeyMarker><NextVersionIdMarker>${last!.id}</NextVersionIdMarker>`
        : '<IsTruncated>false</IsTruncated>';
    return {
      status: 200,
      body: `<?xml version="1.0"?><ListVersionsResult>${more}${entries.join('')}</ListVersionsResult>`,
    };
  }
}

function etagOf(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`;
}

export function failed(status: number, code: string, message = code): Said {
  return {
    status,
    body: `<Error><Code>${code}</Code><Message>${message}</Message><StringToSign>${KEY.secretAccessKey}</StringToSign></Error>`,
  };
}

/** Works the signature out again from the request as it came, by the published recipe and none of our code. */
function refusalOf({ headers, method, url: raw }: IncomingMessage, url: URL, body: Buffer): Said | undefined {
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    );
  if (match === null) return failed(403, 'AccessDenied');
  const [, id, day, region, names, signature] = match;
  if (id !== KEY.accessKeyId) return failed(403, 'InvalidAccessKeyId');
  if (region !== REGION) return failed(400, 'AuthorizationHeaderMalformed');
  const digest = createHash('sha256').update(body).digest('hex');
  if (headers['x-amz-content-sha256'] !== digest) return failed(400, 'XAmzContentSHA256Mismatch');
  const query = url.search.slice(1).split('&').sort().join('&');
  const lines = names!.split(';').map((name) => `${name}:${headers[name] as string}\n`);
  const canonical = [method, raw!.split('?')[0], query, lines.join(''), names, digest].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = [
    'AWS4-HMAC-SHA256',
    headers['x-amz-date'],
    scope,
    createHash('sha256').update(canonical).digest('hex'),
  ];
  const mac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
  const key = mac(mac(mac(mac(`AWS4${KEY.secretAccessKey}`, day!), region), 's3'), 'aws4_request');
  const right = mac(key, text.join('\n')).toString('hex');
  return right === signature ? undefined : failed(403, 'SignatureDoesNotMatch');
}
