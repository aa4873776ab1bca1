import { createHmac, hash } from 'node:crypto';

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** A request as it will be sent: what is signed must be what arrives. */
export interface Signable {
  method: string;
  host: string;
  /** Percent-encoded already, by `encode`. */
  path: string;
  query: readonly (readonly [name: string, value: string])[];
  /** Lower-case names, without `host` and `x-amz-date`. */
  headers: { [name: string]: string };
  /** SHA-256 of the body, hex. */
  payload: string;
}

export interface Scope {
  region: string;
  service: string;
  /** Microseconds since the epoch; stores allow about 15 minutes either way. */
  now: number;
}

/** RFC 3986: everything but its unreserved characters; in a path the slashes stay. */
export function encode(text: string, keep: '' | '/' = ''): string {
  const encoded = encodeURIComponent(text).replace(
    /[!'()*]/g,
    (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return keep === '/' ? encoded.replaceAll('%2F', '/') : encoded;
}

/** As it stands in the address, and as it is signed: encoded, then sorted. */
export function queryOf(query: Signable['query']): string {
  return query
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : Number(x > y)))
    .map((pair) => pair.join('='))
    .join('&');
}

/**
 * AWS Signature Version 4 in the `Authorization` header, every header signed. Knows one way only: a body whose digest
 * is known before; no chunks, no presigned addresses.
 *
 * @returns the headers to send.
 */
export function signed(request: Signable, credentials: Credentials, { region, service, now }: Scope) {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const time = new Date(now / 1_000).toISOString().replace(/[-:]|\.\d+/g, '');
  const headers: { [name: string]: string } = {
    ...request.headers,
    'x-amz-date': time,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
  };
  const all = Object.entries({ ...headers, host: request.host }).sort(([a], [b]) => (a < b ? -1 : 1));
  const names = all.map(([name]) => name).join(';');
  const canonical = [
    request.method,
    request.path,
    queryOf(request.query),
    ...all.map(([name, value]) => `${name}:${value.trim().replace(/ +/g, ' ')}`),
    '',
    names,
    request.payload,
  ].join('\n');
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`;
  const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${hash('sha256', canonical)}`;
  let key: Buffer | string = `AWS4${secretAccessKey}`;
  for (const part of scope.split('/')) key = createHmac('sha256', key).update(part).digest();
  const signature = createHmac('sha256', key).update(text).digest('hex');
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return headers;
}
