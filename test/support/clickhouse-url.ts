/** Before the store's tests run against a server: there must be one, and it loses its ledger. */
export default function requireServer(): void {
  if (process.env.CLICKHOUSE_URL === undefined)
    throw new Error('CLICKHOUSE_URL names no server; its database `spanledger` is dropped and made anew');
}
