import { z } from 'zod';
import { BUILTIN_POLICY } from './builtin.ts';
import { CLASSIFICATIONS } from './classification.ts';
import { ARCHIVES, ERASURES, FAIL_MODES, KEEPINGS } from './demands.ts';
import type { PolicyDocument } from './document.ts';
import { MAX_EXPRESSION_LENGTH, MAX_EXPRESSIONS, mistakeIn } from './expression.ts';
import { parsePath } from './path.ts';

/** Names stand in records, columns and file names. */
const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'a name is of a-z, 0-9, and . _ - within');
const names = z.array(z.string().min(1).max(256));
const path = z
  .string()
  .refine(
    (text) => parsePath(text) !== undefined,
    'write a path as arguments.patient_id or result.items[*].id',
  )
  .refine((text) => /^(\$\.?)?(arguments|result)\b/.test(text), 'a path begins at arguments or at result');

const retentionClass = z.strictObject({
  days: z.int().min(1).max(36_500).describe('How long records of the class are kept.'),
  archive: z.enum(ARCHIVES).describe('Whether they are archived before they go.'),
});

const keeping = z.enum(KEEPINGS);

const content = z.strictObject({
  prompts: keeping.default('metadata').describe("What is kept of users' messages and models' input."),
  answers: keeping.default('metadata').describe("What is kept of models' answers."),
  tools: keeping
    .default('metadata')
    .describe('What is kept of arguments and results of tools, unless a rule or domain says it.'),
  retention: name.optional().describe('A retention class for what is vaulted; no later than its record.'),
});

const domain = z.strictObject({
  classification: z.enum(CLASSIFICATIONS),
  retention: name.describe('A retention class.'),
  erasure: z.enum(ERASURES).optional().describe('When a person may ask for erasure.'),
  fail: z.enum(FAIL_MODES).optional().describe('Whether a call that cannot be recorded runs.'),
  content: keeping.optional().describe('What is kept of arguments and results of its tools.'),
});

const tool = z.strictObject({
  id: z.string().min(1).max(64).optional().describe('Names the rule in explanations.'),
  match: names.min(1).describe('Globs of tool names.'),
  where: z
    .array(z.strictObject({ path, in: names.min(1) }))
    .optional()
    .describe('Only calls that hold one of the values at each path.'),
  resource: z
    .strictObject({
      type: z.string().min(1).max(64),
      id: z.array(path).min(1),
      action: z.enum(['read', 'modify']).optional(),
      subject: z.array(path).optional(),
    })
    .optional()
    .describe('What the call reads or changes.'),
  domains: z.array(name).default([]),
  classification: z.enum(CLASSIFICATIONS).default('internal'),
  purpose: z.literal('required').optional(),
  tags: names.optional(),
  content: keeping.optional().describe('What is kept of its arguments and results.'),
  pseudonyms: z.record(z.string(), name).optional(),
});

const expression = z.string().min(1).max(MAX_EXPRESSION_LENGTH);

const pattern = z
  .strictObject({
    name: name.describe('Stands in details.redactions as custom:<name>.'),
    kind: name.describe(
      'What a match is taken for: employee_id, or a kind that is known, such as health_id.',
    ),
    expression: expression.describe("RE2's syntax, without look-around and back references."),
    flags: z
      .string()
      .regex(/^(?!.*(.).*\1)[ims]{1,3}$/, 'flags are i, m and s, each once')
      .optional()
      .describe('i: whatever the case; m: ^ and $ are of lines; s: . is a line feed too.'),
    needs: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .describe('A text without it is not searched; found out where it is simple.'),
    classification: z.enum(CLASSIFICATIONS).optional().describe('What a match makes of a record at least.'),
  })
  .superRefine(({ expression, flags }, context) => {
    const message = mistakeIn(expression, flags);
    if (message !== undefined) context.addIssue({ code: 'custom', path: ['expression'], message });
  });

const ignored = expression.superRefine((text, context) => {
  const message = mistakeIn(text);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

/** The `policy:` of spanledger.yaml: what is added to the built-in policy, or put in its place. */
export const policySchema = z.strictObject({
  builtin: z.boolean().default(true).describe('Begin with the built-in rules and names; false: only these.'),
  retention: z
    .strictObject({
      grace_days: z.int().min(0).max(365).optional(),
      classes: z.record(name, retentionClass).default({}),
    })
    .prefault({}),
  domains: z.record(name, domain).default({}),
  tools: z
    .array(tool)
    .refine(
      (tools) => new Set(tools.map(({ id }, i) => id ?? i)).size === tools.length,
      'two rules have the same id',
    )
    .default([]),
  redact: names.default([]).describe('Field names whose value becomes ***REDACTED***.'),
  keep: names.default([]).describe('Field names that would match and are left alone.'),
  about: names.default([]).describe('Last words that make of a name something about the value.'),
  pseudonyms: z
    .record(name, names)
    .default({})
    .describe('Field names whose value becomes a pseudonym, by kind.'),
  people: names.default([]).describe('Nouns for a person.'),
  patterns: z
    .array(pattern)
    .max(MAX_EXPRESSIONS)
    .refine(
      (patterns) => new Set(patterns.map(({ name }) => name)).size === patterns.length,
      'two patterns have the same name',
    )
    .default([])
    .describe('What else becomes ***REDACTED*** in every text.'),
  prompt: z
    .strictObject({
      builtin: z.boolean().default(true).describe('Leave dates, times and UUIDs out of its digest.'),
      ignore: z.array(ignored).max(MAX_EXPRESSIONS).default([]).describe("Expressions in RE2's syntax."),
    })
    .prefault({})
    .describe('What of a system prompt is no change of it, where it changes.'),
  content: content
    .optional()
    .describe('Whether what was said is kept: metadata, or vault, redacted and sealed.'),
});

export type PolicySettings = z.output<typeof policySchema>;

/** What is wrong with a policy as a whole. */
export interface Mistake {
  path: (string | number)[];
  message: string;
}

/**
 * The whole policy that settings make: the built-in one, where it is not left out, with theirs added to its lists
 * and put over its names. Their tools come first, so that they tell where a resource is.
 */
export function policyOf(settings: PolicySettings): PolicyDocument {
  const {
    builtin,
    retention,
    domains,
    tools,
    redact,
    keep,
    about,
    pseudonyms,
    people,
    patterns,
    prompt,
    content,
  } = settings;
  const base = builtin ? BUILTIN_POLICY : EMPTY;
  return withoutAbsent({
    version: 1,
    retention: {
      grace_days: retention.grace_days ?? base.retention.grace_days,
      classes: { ...base.retention.classes, ...retention.classes },
    },
    domains: { ...base.domains, ...domains },
    tools: [...tools, ...base.tools],
    redact: [...base.redact, ...redact],
    keep: [...base.keep, ...keep],
    about: [...base.about, ...about],
    pseudonyms: merged(base.pseudonyms, pseudonyms),
    people: [...base.people, ...people],
    patterns: [...base.patterns, ...patterns],
    prompt,
    content,
  }) as PolicyDocument;
}

/**
 * Names that a policy uses and nobody described: a spelling mistake would lower what it meant to raise. And classes
 * that would keep a record longest, but out of the archive that another of its domains wants it in.
 */
export function mistakesIn(settings: PolicySettings): Mistake[] {
  const { retention, domains } = policyOf(settings);
  const found: Mistake[] = notArchived(settings);
  for (const [domain, { retention: name }] of Object.entries(settings.domains)) {
    if (!Object.hasOwn(retention.classes, name))
      found.push({
        path: ['domains', domain, 'retention'],
        message: `there is no retention class ${name}: it is one of ${Object.keys(retention.classes).join(', ')}`,
      });
  }
  const kept = settings.content?.retention;
  if (kept !== undefined && !Object.hasOwn(retention.classes, kept))
    found.push({
      path: ['content', 'retention'],
      message: `there is no retention class ${kept}: it is one of ${Object.keys(retention.classes).join(', ')}`,
    });
  for (const [i, tool] of settings.tools.entries()) {
    for (const [j, domain] of tool.domains.entries()) {
      if (!Object.hasOwn(domains, domain))
        found.push({
          path: ['tools', i, 'domains', j],
          message: `there is no domain ${domain}: it is one of ${Object.keys(domains).join(', ')}`,
        });
    }
  }
  return found;
}

/** A record has one class, the longest of its domains': that must ask for an archive if a shorter one does. */
function notArchived(settings: PolicySettings): Mistake[] {
  const { retention, domains } = policyOf(settings);
  const { classes } = retention;
  const used = [...new Set(Object.values(domains).map((domain) => domain.retention))];
  return used.flatMap((name): Mistake[] => {
    const own = classes[name];
    if (own === undefined || own.archive === 'required') return [];
    const shorter = used.find(
      (other) => classes[other]?.archive === 'required' && classes[other].days < own.days,
    );
    if (shorter === undefined) return [];
    const domain = Object.keys(settings.domains).find((each) => settings.domains[each]!.retention === name);
    return [
      {
        path:
          Object.hasOwn(settings.retention.classes, name) || domain === undefined
            ? ['retention', 'classes', name, 'archive']
            : ['domains', domain, 'retention'],
        message: `a record that is of class ${shorter} too would be kept as ${name}, and not be archived as ${shorter} must be: write archive: required for ${name}`,
      },
    ];
  });
}

/** Retention must hold for what no rule knows, and secrets and people have names in every deployment. */
const EMPTY: PolicyDocument = {
  ...BUILTIN_POLICY,
  retention: { ...BUILTIN_POLICY.retention, classes: { default: BUILTIN_POLICY.retention.classes.default! } },
  domains: {},
  tools: [],
};

function merged(
  a: { [kind: string]: string[] },
  b: { [kind: string]: string[] },
): { [kind: string]: string[] } {
  const all = { ...a };
  // A kind may be called `constructor`, which every object has.
  for (const [kind, more] of Object.entries(b))
    all[kind] = Object.hasOwn(all, kind) ? [...all[kind]!, ...more] : more;
  return all;
}

/** Canonical JSON, whose digest stands in `chain_opened`, knows no `undefined`. */
function withoutAbsent(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutAbsent);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([key, each]) => [key, withoutAbsent(each)]),
  );
}
