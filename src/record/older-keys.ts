import { keyIdOf } from '../policy/keyring.ts';
import type { OlderDigests } from './facts.ts';
import type { AgentMemory, Memory } from './memory.ts';

/**
 * After a rotation. A digest under one key tells nothing of one under another, so that a journal which remembers
 * digests of before a rotation could compare none of them. As long as the older key is live, it is asked again, with the
 * text at hand; what is remembered from then on is under the newest. That holds also when the older key goes: what
 * came since the rotation is known by the newer. Only what was remembered before it and has not come again is
 * forgotten then, with the key; and what is forgotten is new when it comes: recorded, and in conflict with nothing.
 */

/** The digest, and those of the same text under older live keys: newest first. */
export function digestsOf(digest: string, older: OlderDigests | undefined): readonly string[] {
  return [digest, ...(older?.[digest] ?? [])];
}

/**
 * Whether a remembered digest is that of the same text; undefined where its key is live no more, and nobody can say.
 */
export function isSame(
  digest: string,
  remembered: string,
  older: OlderDigests | undefined,
): boolean | undefined {
  const all = digestsOf(digest, older);
  if (all.includes(remembered)) return true;
  const key = keyIdOf(remembered);
  return all.some((each) => keyIdOf(each) === key) ? false : undefined;
}

/**
 * What is known of an agent, its prompt by the present one's digest where that is the same text under another key: or
 * where that key has gone, since nobody can say then that it is another.
 */
export function sinceRotation(
  known: AgentMemory,
  prompt: string | undefined,
  older: OlderDigests | undefined,
): AgentMemory {
  const now = (digest: string | undefined) =>
    digest === undefined || prompt === undefined || isSame(prompt, digest, older) === false ? digest : prompt;
  const last = now(known.prompt);
  const before = now(known.promptTold?.before?.prompt);
  if (last === known.prompt && before === known.promptTold?.before?.prompt) return known;
  const told = known.promptTold;
  return {
    ...known,
    ...(last === undefined ? {} : { prompt: last }),
    ...(told === undefined || before === undefined
      ? {}
      : { promptTold: { ...told, before: { ...told.before, prompt: before } } }),
  };
}

/** As it stands in a key of the memory: plain, or escaped. */
const DIGEST_IN_KEY = /hmac(:|%3A)([A-Za-z0-9_-]{1,32})\1([A-Za-z0-9_-]{22})/g;

/**
 * Memory in which what was set by a digest of before a rotation is found by its present one. All digests of a key
 * were made at one time, under one master key. What is set is set by the present one.
 */
export function acrossKeys(memory: Memory, older: OlderDigests | undefined): Memory {
  if (older === undefined) return memory;
  const depth = Object.values(older).reduce((most, each) => Math.max(most, each.length), 0);
  return {
    get(key) {
      let found = memory.get(key);
      for (let back = 0; found === undefined && back < depth; back++) {
        const before = olderKey(key, older, back);
        if (before === undefined) return undefined;
        found = memory.get(before);
      }
      return found;
    },
    set: (key, value) => memory.set(key, value),
  };
}

/** Undefined where the key has no digest in it. */
function olderKey(key: string, older: OlderDigests, back: number): string | undefined {
  let isOther = false;
  const before = key.replace(DIGEST_IN_KEY, (said, colon: string, id: string, tag: string) => {
    const digest = older[`hmac:${id}:${tag}`]?.[back];
    if (digest === undefined) return said;
    isOther = true;
    return digest.replaceAll(':', colon);
  });
  return isOther ? before : undefined;
}
