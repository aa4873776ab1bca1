import { hash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Document, isNode, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import { z } from 'zod';
import { isTrustworthyName } from '../chain/vkey.ts';
import { isSpanledgerError, messageOf, SpanledgerError } from '../errors.ts';
import { mistakesIn, policySchema } from '../policy/schema.ts';
import { anchors, placed } from './anchors.ts';
import type { Environment } from './deployment.ts';
import type { Layout } from './layout.ts';

/** What a token's holder may do: send, read records, make reports, everything. */
export const RIGHTS = ['ingest', 'read', 'report', 'admin'] as const;
export type Right = (typeof RIGHTS)[number];

const address = z.string().regex(/^(\[[^\]]+\]|[^:[\]\s]+):\d{1,5}$/, 'write it as 127.0.0.1:4318');

/** Of an empty text, which whoever sends no token sends. */
const NO_TOKEN = hash('sha256', '');

const token = z.strictObject({
  /** The person or system that holds it. */
  subject: z.string().min(1).max(256),
  /** SHA-256 of the token, hex: the token itself is written nowhere. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'it is the SHA-256 of the token, 64 lower-case hex digits')
    .refine(
      (digest) => digest !== NO_TOKEN,
      'it is the SHA-256 of nothing: in a script, was the variable set?',
    ),
  tenant: z.string().min(1).max(128).optional(),
  rights: z.array(z.enum(RIGHTS)).min(1),
});

const tls = z.strictObject({
  /** PEM files; a relative path is from the folder of this file. */
  cert: z.string().min(1),
  key: z.string().min(1),
  /** With it, only clients with a certificate of this authority are heard. */
  client_ca: z.string().min(1).optional(),
});

const forward = z.strictObject({
  /** Base URL of an OTLP/HTTP backend, as in OTEL_EXPORTER_OTLP_ENDPOINT. */
  endpoint: z
    .url({ protocol: /^https?$/, error: 'write it as http://host:port' })
    .refine(
      (url) => isBare(url),
      'it takes no user, password, ? or #: what a backend asks for goes into headers',
    ),
  headers: z
    .record(z.string(), z.string())
    .refine((headers) => areHeaders(headers), 'one is no HTTP header')
    .default({}),
  /** Bytes that wait for the backend at most; what comes then is not forwarded, and counted. */
  max_queue_bytes: z
    .int()
    .min(1)
    .default(64 * 1024 * 1024),
});

const serve = z.strictObject({
  otlp_listen: address.optional(),
  otlp_grpc_listen: address.optional(),
  admin_listen: address.optional(),
  /** Listen beyond this machine without TLS, behind something that has it. */
  insecure: z.boolean().default(false),
  tls: tls.optional(),
  forward: forward.optional(),
  /** Bytes of request bodies held at once, before senders are asked to wait; the largest is held as sent and inflated. */
  max_held_bytes: z
    .int()
    .min(32 * 1024 * 1024)
    .default(128 * 1024 * 1024),
  /** Bytes of the journal, before senders are refused; up to 32 MiB of them the store may have taken. */
  max_journal_bytes: z
    .int()
    .min(64 * 1024 * 1024)
    .optional(),
});

const vault = z.strictObject({
  /** Prints the content key's lines: of a KMS. Program and arguments, without a shell. */
  key_command: z.array(z.string().min(1)).min(1).optional(),
});

const MAX_ORIGIN = 128;
const NO_ORIGIN = `it is a name without white space, + or unusual spellings, of at most ${MAX_ORIGIN} characters`;

const keys = z
  .strictObject({
    /** Signs with the ledger's key, where it is in a KMS: the message on stdin, base64 of the signature on stdout. */
    ledger_command: z.array(z.string().min(1)).min(1).optional(),
    /** The vkey of that key: what the command answers is verified with it. */
    ledger_vkey: z.string().min(1).optional(),
  })
  .refine(
    ({ ledger_command, ledger_vkey }) => (ledger_command === undefined) === (ledger_vkey === undefined),
    'ledger_command and ledger_vkey go together: the vkey says which key the command signs with',
  );

const webhook = z.strictObject({
  /** Is told, by POST, of a ledger that was found tampered with. */
  url: z
    .url({ protocol: /^https?$/, error: 'write it as https://host/path' })
    .refine((url) => !URL.canParse(url) || new URL(url).username === '', 'it takes no user or password'),
  headers: z
    .record(z.string(), z.string())
    .refine((headers) => areHeaders(headers), 'one is no HTTP header')
    .default({}),
  /** Also where its name leads to this machine or a private network. */
  allow_private: z.boolean().default(false),
});

const keeper = z.strictObject({
  /** Where several serve one database, one of them keeps it. */
  enabled: z.boolean().default(true),
  /** Seconds from one round to the next. */
  round_seconds: z.int().min(1).max(86_400).default(300),
  verify: z
    .strictObject({
      /** Seconds from one full verification to the next; 0 for none. */
      full_every: z.int().min(0).default(86_400),
    })
    .prefault({}),
  webhook: webhook.optional(),
  /** Vkeys that enrol chains. */
  writers: z.array(z.string().min(1)).default([]),
});

const retention = z.strictObject({
  /** Whether `serve` lets go of what has expired; by hand it is `spanledger retention run`. */
  enabled: z.boolean().default(true),
  /** Seconds from one run to the next. */
  every_seconds: z
    .int()
    .min(1)
    .max(31 * 86_400)
    .default(86_400),
  /** Where closed partitions of classes with `archive: required` are copied to, before they go. */
  archive: z
    .strictObject({
      /** A relative path is from the folder of this file. */
      directory: z
        .string()
        .min(1)
        .regex(/^[^*?{}]+$/, 'the engine takes * ? { } in a path for a pattern'),
    })
    .optional(),
});

const settings = z.strictObject({
  version: z.literal(1),
  /** The ledger's name in all that it signs; `spanledger.local/<ledger_id>` by default. Once used it stays. */
  origin: z.string().refine(isOrigin, NO_ORIGIN).optional(),
  serve: serve.prefault({}),
  keys: keys.prefault({}),
  keeper: keeper.prefault({}),
  retention: retention.prefault({}),
  tokens: z
    .array(token)
    .refine(
      (tokens) => new Set(tokens.map(({ sha256 }) => sha256)).size === tokens.length,
      'two of them are the same token',
    )
    .default([]),
  policy: policySchema.prefault({}),
  vault: vault.prefault({}),
  anchors,
});

/** `fetch` refuses any other, each time anew. */
function isBare(url: string): boolean {
  if (!URL.canParse(url)) return true;
  const { username, password } = new URL(url);
  return username === '' && password === '' && !/[?#]/.test(url);
}

function areHeaders(headers: { [name: string]: string }): boolean {
  try {
    return new Headers(headers) !== undefined;
  } catch {
    return false;
  }
}

/** What `spanledger.yaml` says, with its defaults. */
export type Settings = z.output<typeof settings>;
export type ServeSettings = Settings['serve'];
export type TokenSettings = Settings['tokens'][number];
export type KeysSettings = Settings['keys'];
export type KeeperSettings = Settings['keeper'];
export type WebhookSettings = NonNullable<KeeperSettings['webhook']>;
export type ForwardSettings = NonNullable<ServeSettings['forward']>;

/** For editors: the JSON Schema (2020-12) of a settings file. */
export function settingsSchema(): object {
  return z.toJSONSchema(settings, { io: 'input', unrepresentable: 'any' });
}

/**
 * Reads a settings file; without one the defaults hold. Paths in it are answered absolute.
 *
 * @param path a file that must be there, or one that may be.
 * @throws SpanledgerError `config_invalid`, naming file, line, field and remedy of every mistake.
 */
export function readSettings(path: string, mayBeAbsent = false): Settings {
  if (mayBeAbsent && !existsSync(path)) return settings.parse({ version: 1 });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SpanledgerError('config_invalid', `${path}: ${messageOf(cause)}`, {
      cause,
      hint: 'name a settings file by --config, or leave it out',
    });
  }
  return parseSettings(text, path);
}

/**
 * The settings of a deployment: those of the file named, else by SPANLEDGER_CONFIG, else of its directory's, if there
 * is one.
 *
 * @throws SpanledgerError `config_invalid`
 */
export function settingsOf(layout: Layout, env: Environment, named?: string): Settings {
  const path = named ?? env.SPANLEDGER_CONFIG;
  return path === undefined ? readSettings(layout.settingsFile, true) : readSettings(path);
}

/**
 * The ledger's name in all that it signs: SPANLEDGER_ORIGIN, else the settings', else one made of its id.
 *
 * @throws SpanledgerError `config_invalid`
 */
export function originOf(ledgerId: string, { origin }: Pick<Settings, 'origin'>, env: Environment): string {
  const { SPANLEDGER_ORIGIN: given = origin ?? `spanledger.local/${ledgerId}` } = env;
  if (isOrigin(given)) return given;
  throw new SpanledgerError('config_invalid', `SPANLEDGER_ORIGIN: ${NO_ORIGIN}`, {
    hint: 'a host and a path without a scheme, such as audit.example.org/clinic',
  });
}

/** Whether keys may be called so. */
function isOrigin(text: string): boolean {
  return isTrustworthyName(text) && text.length <= MAX_ORIGIN;
}

/** Characters a settings file may have: far more than anybody writes, and read at once. */
const MAX_TEXT = 256 * 1024;
const MAX_ALIASES = 100;

/** As `readSettings`, of a text; `path` is for its errors and what its relative paths begin at. */
export function parseSettings(text: string, path: string): Settings {
  const lines = new LineCounter();
  const { document, value } = read(text, path, lines);
  const parsed = settings.safeParse(value ?? {});
  const issues = parsed.success
    ? mistakesIn(parsed.data.policy).map((each) => ({ ...each, path: ['policy', ...each.path] }))
    : parsed.error.issues;
  if (!parsed.success || issues.length > 0)
    throw mistakes(
      path,
      issues.map((issue) => told(issue, document, lines)),
    );
  const { tls } = parsed.data.serve;
  const folder = dirname(resolve(path));
  if (tls !== undefined) {
    tls.cert = resolve(folder, tls.cert);
    tls.key = resolve(folder, tls.key);
    if (tls.client_ca !== undefined) tls.client_ca = resolve(folder, tls.client_ca);
  }
  const { archive } = parsed.data.retention;
  if (archive !== undefined) archive.directory = resolve(folder, archive.directory);
  parsed.data.anchors = parsed.data.anchors.map((each) => placed(each, (file) => resolve(folder, file)));
  return parsed.data;
}

interface Issue {
  path: PropertyKey[];
  message: string;
  keys?: string[];
}

function told({ path, message, keys = [] }: Issue, document: Document, lines: LineCounter): string {
  const node = nodeAt(document, [...path, ...keys.slice(0, 1)]);
  const line = isNode(node) && node.range ? `line ${lines.linePos(node.range[0]).line}, ` : '';
  return `${line}${path.join('.') || 'the file'}: ${message}`;
}

/** @throws SpanledgerError `config_invalid` for what is no YAML, or would be far more than it says. */
function read(text: string, path: string, lineCounter: LineCounter) {
  if (text.length > MAX_TEXT)
    throw mistakes(path, [`it has ${text.length} characters, and settings at most ${MAX_TEXT}`]);
  try {
    const document = parseDocument(text, { lineCounter, version: '1.2' });
    const problems = document.errors.map(({ message }) => message.split('\n')[0]!.replace(/:$/, ''));
    problems.push(...noNames(document, lineCounter));
    if (problems.length > 0) throw mistakes(path, problems);
    return { document, value: document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown };
  } catch (error) {
    // An alias of nothing, or of too much; or nesting so deep that the parser gives up.
    throw isSpanledgerError(error) ? error : mistakes(path, [messageOf(error)]);
  }
}

/** JavaScript's own name for something else: what stands under it would be passed over without a word. */
function noNames(document: Document, lines: LineCounter): string[] {
  const found: string[] = [];
  visit(document, {
    Pair: (_, { key }) => {
      if (isScalar(key) && key.value === '__proto__')
        found.push(`line ${lines.linePos(key.range?.[0] ?? 0).line}, __proto__: no name here`);
    },
  });
  return found;
}

/** The node of a field, or of the nearest thing around it that is there. */
function nodeAt(document: Document, field: readonly PropertyKey[]): unknown {
  for (let depth = field.length; depth > 0; depth--) {
    const node = document.getIn(field.slice(0, depth), true);
    if (node !== undefined) return node;
  }
  return document.contents;
}

function mistakes(path: string, problems: readonly string[]): SpanledgerError {
  // On one line: a terminal is shown no line feed of a message, which may quote what others wrote.
  const message = `${path}: ${problems.join('; ')}`;
  return new SpanledgerError('config_invalid', message, {
    hint: 'mend the fields named; deploy/spanledger.yaml shows every setting with its default',
  });
}
