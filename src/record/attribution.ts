import type { Reading } from '../genai/activity.ts';
import { present } from '../genai/values.ts';
import type { Cleaner } from './cleaner.ts';
import type { Attribution } from './facts.ts';
import { TRIGGERS, type Trigger } from './record.ts';

/** Whom a span is about, and why; empty when it does not say. */
export function attributionOf(reading: Reading, clean: Cleaner): Attribution {
  const user = present({
    client_ip: clean.said(reading.clientIp),
    id: clean.id(reading.userId),
    role: clean.said(reading.userRole),
    user_agent: clean.said(reading.userAgent),
  });
  const agent = present({
    id: clean.id(reading.agentId),
    name: clean.said(reading.agentName),
    version: clean.said(reading.agentVersion),
  });
  const declared = reading.trigger === undefined ? undefined : triggerOf(reading.trigger);
  const trigger = declared ?? (reading.trigger === undefined ? reading.impliedTrigger : undefined);
  return present<Attribution>({
    conversationId: clean.id(reading.conversationId),
    user: Object.keys(user).length > 0 ? user : undefined,
    agent: Object.keys(agent).length > 0 ? agent : undefined,
    purpose: clean.said(reading.purpose),
    trigger,
    triggerBasis: trigger === undefined ? undefined : declared === undefined ? 'inferred' : 'declared',
    triggerSaid: trigger === undefined ? clean.said(reading.trigger) : undefined,
  });
}

/** What applications call their triggers, in the record's five words. */
const TRIGGER_WORDS: { [word: string]: Trigger } = {
  user: 'user_request',
  user_chat: 'user_request',
  user_message: 'user_request',
  chat: 'user_request',
  followup: 'follow_up',
  schedule: 'system',
  scheduled: 'system',
  cron: 'system',
};

function triggerOf(said: string): Trigger | undefined {
  const word = said.toLowerCase().replace(/[- ]/g, '_');
  const own = TRIGGERS.find((trigger) => trigger === word);
  return own ?? (Object.hasOwn(TRIGGER_WORDS, word) ? TRIGGER_WORDS[word] : undefined);
}
