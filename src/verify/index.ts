/**
 * Verifying a ledger from a program.
 *
 * @module spanledger/verify
 */
export { Store } from '../store/client.ts';
export type { Baseline, JudgedChain, KnownChain } from './baseline.ts';
export type { ChainResult, Finding, FindingCode, Severity, Verification } from './findings.ts';
export { type Judgement, judgeLedger, type VerifyOptions, verify } from './verify.ts';
