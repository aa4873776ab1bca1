import type { AgentMemory, ToldMemory } from './memory.ts';

/** After a change was told, further ones are counted for so long, and told together. In milliseconds. */
const TOLD_EVERY_MS = 3_600_000;

/** When a call was received, in microseconds since the epoch, and when it says that it began. */
export interface Moment {
  now: number;
  startedAt: string;
}

type Field = 'prompt' | 'request' | 'response';

/** A change to be told. */
export interface Change {
  /** As last told; a field that is the same again is absent. */
  previous: { [field: string]: string };
  /** How many there were since then, where it is not this one alone. */
  changes: number | undefined;
}

/**
 * Some fields of an agent against what was last known of them. A change is told at once, and then one an hour, with the
 * number of those between: by the clock or by the calls' own times, so that days of them that come at once are told as
 * they were. What is counted is told by the agent's next call after the hour, whether it changes anything or not.
 */
export function changeOf(
  fields: readonly Field[],
  last: AgentMemory,
  now: AgentMemory,
  told: ToldMemory | undefined,
  moment: Moment,
): { told: ToldMemory | undefined; change: Change | undefined } {
  const changed = fields.some((field) => last[field] !== undefined && now[field] !== last[field]);
  const untold = (told?.untold ?? 0) + (changed ? 1 : 0);
  if (untold === 0) return { told, change: undefined };
  const before = told?.before ?? valuesOf(fields, last);
  if (told !== undefined && !isOver(told, moment))
    return { told: { ...told, untold, before }, change: undefined };
  const previous: Change['previous'] = {};
  for (const [field, value] of Object.entries(before))
    if (value !== now[field as Field]) previous[field] = value;
  return {
    told: { at: moment.now, startedAt: moment.startedAt },
    change: { previous, changes: untold > 1 || !changed ? untold : undefined },
  };
}

function valuesOf(fields: readonly Field[], of: AgentMemory): { [field: string]: string } {
  const values: { [field: string]: string } = {};
  for (const field of fields) if (of[field] !== undefined) values[field] = of[field];
  return values;
}

function isOver({ at, startedAt }: ToldMemory, moment: Moment): boolean {
  const byClock = Math.abs(moment.now - at) / 1_000;
  const byCalls = Math.abs(Date.parse(moment.startedAt) - Date.parse(startedAt));
  return byClock >= TOLD_EVERY_MS || byCalls >= TOLD_EVERY_MS;
}
