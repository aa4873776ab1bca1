import type { Adapter } from './contract.ts';

/** One line an adapter. */
export const ADAPTERS: readonly Adapter[] = [];
