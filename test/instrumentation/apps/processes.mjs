// Calls an audited tool 5 times in each of 4 cluster workers and 2 worker threads, and once here; with `block`, this
// thread stands still while its worker threads call, and ends the process at once.
import cluster from 'node:cluster';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { auditContext, auditTool, runWithAuditContext, withAuditContext } from 'spanledger';

const where = cluster.isWorker
  ? `cluster${cluster.worker.id}`
  : isMainThread
    ? 'main'
    : `thread${workerData.index}`;
const work = auditTool(async function work(_place, _n) {}, { failClosed: workerData?.failClosed === true });
const blocks = process.argv[2] === 'block' || workerData?.blocks === true;

async function calls() {
  for (let n = 0; n < 5; n++) await work(where, n);
}

if (!isMainThread) {
  await runWithAuditContext(workerData.carrier, calls);
  if (blocks) {
    Atomics.add(workerData.done, 0, 1);
    Atomics.notify(workerData.done, 0);
  }
} else if (cluster.isWorker) {
  await calls();
  process.disconnect();
} else {
  await work(where, 0);
  const carrier = withAuditContext({ user: 'nurse-17', conversationId: 'c-1' }, auditContext);
  const done = new Int32Array(new SharedArrayBuffer(4));
  const threads = [1, 2].map((index) => {
    const data = { index, carrier, failClosed: index === 2 && !blocks, blocks, done };
    return new Worker(fileURLToPath(import.meta.url), { workerData: data });
  });
  if (blocks) {
    // Each has said so, and this thread has had no turn since they began.
    await Promise.all(threads.map((thread) => once(thread, 'online')));
    for (let seen = 0; seen < 2; seen = Atomics.load(done, 0)) Atomics.wait(done, 0, seen, 5_000);
    process.exit();
  }
  for (let i = 0; i < 4; i++) cluster.fork();
  await Promise.all(threads.map((thread) => once(thread, 'exit')));
}
