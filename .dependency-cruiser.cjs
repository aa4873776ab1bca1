// Data flows one way: a place imports only from those before it in this list (docs/decisions/0002).
const order = [
  'src/errors.ts',
  'src/clock.ts',
  'src/span.ts',
  'src/otlp',
  'src/genai',
  'src/policy',
  'src/record',
  'src/vault',
  'src/chain',
  'src/config',
  'src/journal',
  'src/understand.ts',
  'src/own-chain.ts',
  'src/pipeline.ts',
  'src/target',
  'src/store',
  'src/ship.ts',
  'src/shipper.ts',
  'src/anchor',
  'src/verify',
  'src/retain',
  'src/report',
  'src/keeper',
  'src/keeper.ts',
  'src/sdk',
  'src/server',
  'src/doctor',
  'src/cli',
  'src/index.ts',
  'instrumentation',
  'bench',
];
const pattern = (place) => (place.endsWith('.ts') ? `^${place.replace('.', '\\.')}$` : `^${place}/`);

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    ...order.slice(0, -1).map((place, i) => ({
      name: `one-way:${place}`,
      severity: 'error',
      from: { path: pattern(place) },
      to: { path: order.slice(i + 1).map(pattern) },
    })),
    {
      name: 'every-place-is-listed',
      comment: 'a new folder says in this file where it stands',
      severity: 'error',
      from: { path: '^src/', pathNot: order.map(pattern) },
      to: {},
    },
    {
      name: 'pure-in-the-middle',
      comment: 'invariant 9: no clock, no I/O, no randomness',
      severity: 'error',
      from: { path: '^src/(genai|policy|record|vault|chain)/' },
      to: {
        path: '^(node:)?(fs|fs/promises|net|http|https|child_process|os|process|timers|dns|worker_threads)$|^src/(clock\\.ts|config/)',
      },
    },
    {
      name: 'the-app-loads-no-engine',
      comment: 'importing the package root loads neither ClickHouse, chdb nor server code',
      severity: 'error',
      from: { path: '^src/index\\.ts$' },
      to: { path: 'node_modules/(chdb|@clickhouse)/', reachable: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
