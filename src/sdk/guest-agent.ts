import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import { asGuest } from './guest-fetch.ts';

/** What of Node's agents is changed: their documented hooks, which its types leave out. */
interface Hooks {
  createConnection(...given: unknown[]): Duplex | null | undefined;
  reuseSocket(socket: Duplex, request: unknown): void;
}

/**
 * The lines of a client that others wrote, of an app whose guest we are: as in `guestFetch`, none of them keeps the
 * process running, however long an answer takes.
 */
export function guestAgent(url: string): HttpAgent {
  const Agent = url.startsWith('https:') ? HttpsAgent : HttpAgent;
  const agent = new Agent({ keepAlive: true }) as HttpAgent & Hooks;
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (...given) => asGuest(connect(...given));
  // Node's own lets a line that is used again hold the process.
  agent.reuseSocket = () => {};
  return agent;
}
