import { join } from 'node:path';
import type { TokenSettings } from '../../src/config/settings.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { Budget } from '../../src/server/budget.ts';
import type { Forward } from '../../src/server/forward.ts';
import { HttpServer } from '../../src/server/http.ts';
import { Intake } from '../../src/server/intake.ts';
import type { Certificates } from '../../src/server/listen.ts';
import { OtlpGrpc } from '../../src/server/otlp-grpc.ts';
import { otlpRoutes } from '../../src/server/otlp-http.ts';
import { Tokens } from '../../src/server/tokens.ts';
import { understandHere } from '../../src/server/understanding.ts';
import { fileFolder, openJournal, POLICY, writerIn } from './ledger-kit.ts';

export interface ReceiverOptions {
  tokens?: TokenSettings[];
  certificates?: Certificates;
  forward?: Forward;
  maxHeldBytes?: number;
  maxJournalBytes?: number;
}

/** OTLP's two doors and the journal behind them, without a store. */
export interface Receiver {
  url: string;
  grpc: string;
  journal: Journal;
  intake: Intake;
  budget: Budget;
  httpServer: HttpServer;
  grpcServer: OtlpGrpc;
  /** Whatever failed that is no refusal. */
  failures: unknown[];
  close(): Promise<void>;
}

export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const { certificates, forward } = options;
  const journal = openJournal(join(fileFolder(), 'journal'), options.maxJournalBytes);
  const writer = writerIn(journal);
  const intake = new Intake({ writer, understanding: understandHere(POLICY) });
  const budget = new Budget(options.maxHeldBytes ?? 128 * 1024 * 1024);
  const tokens = new Tokens(options.tokens ?? []);
  const failures: unknown[] = [];
  const common = { tokens, certificates, failed: (error: unknown) => void failures.push(error) };
  const taking = { intake, budget, forward };
  const http = new HttpServer({ ...common, routes: otlpRoutes(taking) });
  const grpc = new OtlpGrpc({ ...common, ...taking });
  const anywhere = { host: '127.0.0.1', port: 0 };
  const scheme = certificates === undefined ? 'http' : 'https';
  return {
    url: `${scheme}://127.0.0.1:${(await http.listen(anywhere)).port}`,
    grpc: `127.0.0.1:${(await grpc.listen(anywhere)).port}`,
    journal,
    intake,
    budget,
    httpServer: http,
    grpcServer: grpc,
    failures,
    async close() {
      await Promise.all([http.close(), grpc.close()]);
      // A full journal takes not even the chain's end.
      if (journal.refusal === undefined) await writer.close();
      await journal.close();
    },
  };
}
