import { hash } from 'node:crypto';
import type { Checkpoint } from '../../../src/anchor/anchor.ts';
import { textOf } from '../../../src/anchor/anchor.ts';

export const ORIGIN = 'spanledger.local/5f0c3b1e-9a7d-4c2f-8e6b-0a1d2c3f4e5a';

/** A checkpoint as anchors that look at no signature take it. */
export function checkpointOf(
  size: number,
  root = hash('sha256', `root ${size}`),
  origin = ORIGIN,
): Checkpoint {
  const signature = `\u2014 ${origin} ${Buffer.from(`signature of ${size}`).toString('base64')}\n`;
  return { origin, size, root, note: `${textOf({ origin, size, root })}\n${signature}` };
}

/** What a promise is rejected with: the code, the message and the hint, all that is ever printed. */
export async function refusalOf(
  work: Promise<unknown>,
): Promise<{ code: string; message: string; hint: string }> {
  try {
    await work;
  } catch (error) {
    const { code, message, hint } = error as { code: string; message: string; hint: string };
    return { code, message, hint };
  }
  throw new Error('it was not refused');
}
