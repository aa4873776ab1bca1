// What a recording app has loaded, once it has done something.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { auditTool } from 'spanledger';

await auditTool(async function find() {})();
const loaded = [
  ...Object.keys(createRequire(import.meta.url).cache),
  ...readFileSync('/proc/self/maps', 'utf8').split('\n'),
];
const of = (name) => loaded.filter((path) => path.includes(`node_modules/${name}`));
console.log(JSON.stringify({ chdb: of('chdb'), clickhouse: of('@clickhouse') }));
