import type { AuditRecord } from '../record/record.ts';

/** What `chain_opened` says of its chain. */
export interface Opened {
  role: 'records' | 'control';
  vkey?: string;
  enrol?: string;
}

type Fields = { [field: string]: unknown };

export function readOpened(control: Fields): Opened | undefined {
  const { role, vkey, enrol } = control;
  if (role !== 'records' && role !== 'control') return undefined;
  if (!isTextOrAbsent(vkey) || !isTextOrAbsent(enrol)) return undefined;
  return { role, ...(vkey === undefined ? {} : { vkey }), ...(enrol === undefined ? {} : { enrol }) };
}

/** What a relay says of a chain whose first record it took: `chain_enrolled`. */
export interface Enrolled {
  chain_id: string;
  /** As its `chain_opened` says; absent where that names none. */
  vkey?: string;
}

export function readEnrolled({ chain_id, vkey }: Fields): Enrolled | undefined {
  if (!isChainId(chain_id) || !isTextOrAbsent(vkey)) return undefined;
  return { chain_id, ...(vkey === undefined ? {} : { vkey }) };
}

/** A control record of a payload that may be anything; what is not canonical has been found already. */
export function controlOf(
  payload: string | Uint8Array,
): { action: string; at: string; control: Fields } | undefined {
  if (typeof payload !== 'string') return undefined;
  try {
    const record = JSON.parse(payload) as Partial<AuditRecord> | null;
    if (typeof record?.action !== 'string' || typeof record.recorded_at !== 'string') return undefined;
    const control = isFields(record.control) ? record.control : {};
    return { action: record.action, at: record.recorded_at, control };
  } catch {
    return undefined;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextOrAbsent(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function isChainId(value: unknown): value is string {
  return typeof value === 'string' && /^[a-z0-9][a-z0-9._-]{0,127}$/.test(value);
}
