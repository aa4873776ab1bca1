/** In the place of `spanledger/register` where the runtime is not Node.js: says so, and nothing else. */
function refuse(): never {
  throw new Error(
    "spanledger records in Node.js alone, and this is an edge runtime, which has no disk. Call register where process.env.NEXT_RUNTIME === 'nodejs', and send spans of edge functions to `spanledger serve`.",
  );
}

export { refuse as flush, refuse as register };
