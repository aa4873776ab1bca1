import { parentPort, workerData } from 'node:worker_threads';
import { isSpanledgerError, messageOf } from '../errors.ts';
import { compilePolicy } from '../policy/policy.ts';
import { understandBody } from './understanding.ts';
import type { Answer, Asked, PolicyGiven } from './understanding-pool.ts';

/** One thread of the pool: it answers each body in the order they come, and keeps nothing of them. */

const { master, document } = workerData as PolicyGiven;
const policy = compilePolicy(master, document);

function answerTo({ id, signal, encoding, body, tenant }: Asked): Answer {
  try {
    return { id, read: understandBody(policy, signal, encoding, body, tenant) };
  } catch (error) {
    if (!isSpanledgerError(error)) return { id, bug: messageOf(error) };
    const { code, message, hint } = error;
    return { id, refused: { code, message, hint } };
  }
}

parentPort!.on('message', (asked: Asked) => parentPort!.postMessage(answerTo(asked)));
