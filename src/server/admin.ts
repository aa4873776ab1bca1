import { json, type Route } from './http.ts';
import type { Metrics } from './metrics.ts';

/** What `/readyz` tells: no content, no names. */
export interface Health {
  /** Requests are taken, and what is acknowledged is durable. */
  ready: boolean;
  /** Why not, as an error's code. */
  reason?: string;
  journal: { bytes: number; oldest_unshipped_seconds: number };
  store: { reachable: boolean };
}

export interface AdminOptions {
  metrics: Metrics;
  health: () => Health;
}

/** For whoever runs it. Probes ask without a token and learn nothing but that. */
export function adminRoutes({ metrics, health }: AdminOptions): Route[] {
  return [
    { method: 'GET', path: '/healthz', rights: [], answer: async () => json(200, { alive: true }) },
    {
      method: 'GET',
      path: '/readyz',
      rights: [],
      answer: async () => {
        const now = health();
        return json(now.ready ? 200 : 503, now);
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      rights: ['read', 'report'],
      isReading: true,
      answer: async () => ({ status: 200, ...(await metrics.text()) }),
    },
  ];
}
