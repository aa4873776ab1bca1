import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Activity } from '../../src/genai/activity.ts';
import { type Ending, endingOf, endingOfResult } from '../../src/genai/outcome.ts';
import { blankSpan, type Span, type SpanEvent, StatusCode } from '../../src/span.ts';

const OK = { code: StatusCode.ok, message: '' };
const ERROR = { code: StatusCode.error, message: 'LIS timeout' };

const exception = (type: string, message: string): SpanEvent => ({
  name: 'exception',
  timeUnixNano: 1n,
  attributes: new Map([
    ['exception.type', type],
    ['exception.message', message],
  ]),
});

const POLICY = 'Policy POL-7 denies delete_record for role nurse';
const DENIAL = { error: 'permission_denied', message: POLICY };

function ending(span: Partial<Span>, activity: Partial<Activity>): Ending {
  return endingOf(
    { ...blankSpan({ name: 'test', version: '' }, new Map()), ...span },
    { kind: 'tool', why: '', dialect: 'test', ...activity },
  );
}

describe('endingOf', () => {
  const answered = { toolResult: { name: 'Jane Roe' } };
  const cases: [string, Partial<Span>, Partial<Activity>, Ending][] = [
    ['a tool with a result', {}, answered, { status: 'success' }],
    ['a tool whose result was not captured', {}, {}, { status: 'success' }],
    ['a status of OK', { status: OK }, answered, { status: 'success' }],
    [
      'an exception',
      { status: ERROR, events: [exception('Error', 'LIS timeout')] },
      {},
      { status: 'failure', errorType: 'Error', errorMessage: 'LIS timeout' },
    ],
    [
      'an exception beside a status of OK',
      { status: OK, events: [exception('Error', 'boom')] },
      answered,
      { status: 'failure', errorType: 'Error', errorMessage: 'boom' },
    ],
    [
      'an exception beside no status',
      { events: [exception('TypeError', 'x is not a function')] },
      {},
      { status: 'failure', errorType: 'TypeError', errorMessage: 'x is not a function' },
    ],
    ['error.type', {}, { ...answered, errorType: 'timeout' }, { status: 'failure', errorType: 'timeout' }],
    [
      'error.type unknown, beside an exception',
      { events: [exception('Error', 'boom')] },
      { errorType: 'unknown' },
      { status: 'failure', errorType: 'Error', errorMessage: 'boom' },
    ],
    ["the framework's own word", {}, { ...answered, failed: true }, { status: 'failure' }],
    [
      'a status of error, without an answer',
      { status: ERROR },
      {},
      { status: 'failure', errorMessage: 'LIS timeout' },
    ],
    ['a false error: a status of error beside an answer', { status: ERROR }, answered, { status: 'success' }],
    [
      'a denial in the result',
      {},
      { toolResult: DENIAL },
      { status: 'denied', errorType: 'permission_denied', errorMessage: POLICY },
    ],
    [
      'a denial in the result beside a status of OK',
      { status: OK },
      { toolResult: JSON.stringify(DENIAL) },
      { status: 'denied', errorType: 'permission_denied', errorMessage: POLICY },
    ],
    [
      "a denial in the result beside a sibling's false error",
      { status: ERROR },
      { toolResult: DENIAL },
      { status: 'denied', errorType: 'permission_denied', errorMessage: POLICY },
    ],
    [
      'an error in the result, the reason in the status',
      { status: ERROR },
      { toolResult: { error: 'timeout' } },
      { status: 'failure', errorType: 'timeout', errorMessage: 'LIS timeout' },
    ],
    [
      'a denial told by the status alone',
      { status: { code: 2, message: 'Tool execution was not approved' } },
      {},
      { status: 'denied', errorMessage: 'Tool execution was not approved' },
    ],
    [
      'a denial told by the exception',
      { events: [exception('PermissionDeniedError', 'no')] },
      {},
      { status: 'denied', errorType: 'PermissionDeniedError', errorMessage: 'no' },
    ],
    [
      'a denial told by a qualified exception',
      { events: [exception('openai.PermissionDeniedError', '403')] },
      {},
      { status: 'denied', errorType: 'openai.PermissionDeniedError', errorMessage: '403' },
    ],
    ['a denial told by error.type', {}, { errorType: '403' }, { status: 'denied', errorType: '403' }],
    [
      'an abort',
      { status: ERROR, events: [exception('AbortError', 'This operation was aborted')] },
      {},
      { status: 'interrupted', errorType: 'AbortError', errorMessage: 'This operation was aborted' },
    ],
    [
      "Python's cancellation",
      { events: [exception('asyncio.exceptions.CancelledError', '')] },
      {},
      { status: 'interrupted', errorType: 'asyncio.exceptions.CancelledError' },
    ],
    [
      "Axios' cancellation",
      { events: [exception('CanceledError', 'canceled')] },
      {},
      { status: 'interrupted', errorType: 'CanceledError', errorMessage: 'canceled' },
    ],
    [
      'a rate limit',
      { status: ERROR, events: [exception('AI_APICallError', 'Rate limit reached for gpt-4o-mini')] },
      { kind: 'model' },
      { status: 'failure', errorType: 'AI_APICallError', errorMessage: 'Rate limit reached for gpt-4o-mini' },
    ],
    [
      'a connection refused',
      { status: ERROR, events: [exception('Error', 'connect ECONNREFUSED: connection refused')] },
      {},
      { status: 'failure', errorType: 'Error', errorMessage: 'connect ECONNREFUSED: connection refused' },
    ],
    ['a model that answered', {}, { kind: 'model', finishReasons: ['stop'] }, { status: 'success' }],
    [
      'a false error on a model that answered',
      { status: ERROR },
      { kind: 'model', responseId: 'r1' },
      { status: 'success' },
    ],
    [
      'a false error on an agent that answered',
      { status: ERROR },
      { kind: 'agent', output: [] },
      { status: 'success' },
    ],
    [
      'an error on a model without an answer',
      { status: ERROR },
      { kind: 'model' },
      { status: 'failure', errorMessage: 'LIS timeout' },
    ],
    [
      'a model stopped by its caller',
      {},
      { kind: 'model', finishReasons: ['aborted'] },
      { status: 'interrupted' },
    ],
    [
      'a model cut by its filter',
      {},
      { kind: 'model', finishReasons: ['content_filter'] },
      { status: 'success' },
    ],
    [
      "a tool's denial in what a model said of it",
      {},
      { kind: 'model', toolResult: DENIAL, finishReasons: ['stop'] },
      { status: 'success' },
    ],
  ];

  it.each(cases)('reads %s', (_, span, activity, expected) => {
    expect(ending(span, activity)).toEqual(expected);
  });
});

describe('endingOfResult', () => {
  it.each<[unknown, string]>([
    [{ error: 'permission_denied', message: 'no' }, 'permission_denied'],
    ['{"error":"permission_denied","message":"no"}', 'permission_denied'],
    ['"{\\"error\\":\\"access_denied\\",\\"message\\":\\"no\\"}"', 'access_denied'],
    [{ error: { code: 'PERMISSION_DENIED', message: 'no' } }, 'PERMISSION_DENIED'],
    [{ error: { type: 'policy_violation', message: 'no' } }, 'policy_violation'],
    [{ status: 'forbidden', message: 'no' }, 'forbidden'],
    [{ code: 'AccessDeniedException', message: 'no' }, 'AccessDeniedException'],
    [{ error_code: 'approval_required', error_message: 'no' }, 'approval_required'],
    [{ success: false, error: 'unauthorized', reason: 'no' }, 'unauthorized'],
  ])('%j is denied', (result, type) => {
    expect(endingOfResult(result)).toEqual({ status: 'denied', errorType: type, errorMessage: 'no' });
  });

  it.each([
    'Permission denied: role nurse may not delete',
    'Error: access to record P-1042 was denied',
    'Tool execution was not approved by the user.',
    'Request rejected by policy POL-7',
  ])('"%s" is denied', (text) => {
    expect(endingOfResult(text)).toEqual({ status: 'denied', errorMessage: text });
    expect(endingOfResult({ error: text })).toMatchObject({ status: 'denied', errorMessage: text });
    expect(endingOfResult({ isError: true, content: [{ type: 'text', text }] })).toMatchObject({
      status: 'denied',
    });
  });

  it.each<[unknown, Partial<Ending>]>([
    [
      { error: 'LIS timeout: connect ETIMEDOUT 10.2.3.4:5432' },
      { errorMessage: 'LIS timeout: connect ETIMEDOUT 10.2.3.4:5432' },
    ],
    [{ error: 'timeout' }, { errorType: 'timeout' }],
    [
      { error: { code: 'ECONNRESET', message: 'socket hang up' } },
      { errorType: 'ECONNRESET', errorMessage: 'socket hang up' },
    ],
    [{ error: true, message: 'boom' }, { errorMessage: 'boom' }],
    [{ success: false }, {}],
    [{ ok: false, reason: 'full' }, { errorMessage: 'full' }],
    [{ status: 'Failed' }, { errorType: 'Failed' }],
    [{ is_error: true, content: [{ type: 'text', text: 'boom' }] }, { errorMessage: 'boom' }],
    ['Error: LIS timeout', { errorMessage: 'Error: LIS timeout' }],
    ['Traceback (most recent call last):\n  File "a.py"', {}],
    ['An error occurred while looking up the patient.', {}],
    ['Request failed: connection refused', {}],
    [{ error: 'Request to LIS failed: connection refused' }, {}],
  ])('%j is a failure', (result, expected) => {
    expect(endingOfResult(result)).toMatchObject({ status: 'failure', ...expected });
  });

  const policyText =
    'Visiting hours and building access. Visitors register at the desk. '.repeat(20) +
    'A visitor without a badge is denied entry; permission was denied to two in 2019. ' +
    'Errors in this document are to be reported. '.repeat(20);

  it.each<[string, unknown]>([
    ['request succeeded', 'request succeeded'],
    ['a status of ok', { status: 'ok' }],
    ['an approved payment', { status: 'approved', auth_code: 'A1B2C3' }],
    ['no error', { error: null, rows: [] }],
    ['an error that is false', { error: false }],
    ['an empty error', { error: '' }],
    ['success', { success: true, isError: false }],
    [
      'a patient',
      { name: 'Jane Roe', allergies: ['penicillin'], notes: 'Patient denied chest pain. Denies smoking.' },
    ],
    ['a clinical note', 'Patient denies chest pain; access to the vein was difficult.'],
    ['a long document that speaks of denials', policyText],
    ['a document under a key', { title: 'Access policy', text: policyText }],
    ['permission granted', 'Permission granted to read P-1042'],
    ['a list', [{ error: 'permission_denied' }]],
    ['a count of errors', 'Errors: 0, warnings: 2'],
    ['an erratum', 'Erroneous entries were corrected.'],
    ['a number', 403],
    ['nothing', undefined],
    ['null', null],
    ['empty text', ''],
    ['a code that is no word of a machine', { code: 'the access was denied by nobody in particular' }],
  ])('%s is no error', (_, result) => {
    expect(endingOfResult(result)).toBeUndefined();
  });

  it('is of one mind about a result and its JSON, and never throws', () => {
    const word = fc.constantFrom(
      'error',
      'permission_denied',
      'ok',
      'failed',
      'Error: x',
      'forbidden',
      'fine',
    );
    const any = fc.oneof(word, fc.jsonValue({ maxDepth: 1 }));
    const keys = ['error', 'message', 'status', 'code', 'success', 'isError', 'content', 'reason'] as const;
    const result = fc.record(Object.fromEntries(keys.map((key) => [key, any])), { requiredKeys: [] });
    fc.assert(
      fc.property(result, (value) => {
        const text = JSON.stringify(value);
        expect(endingOfResult(text)).toEqual(endingOfResult(JSON.parse(text)));
        expect(['denied', 'failure', 'interrupted', undefined]).toContain(endingOfResult(value)?.status);
      }),
      { numRuns: 2_000 },
    );
  });
});
