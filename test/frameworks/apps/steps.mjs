// What can become of a tool call. Each app of a framework gives a way to ask, and its tools to `tools`.
const calls = [];
let hung = () => {};

/** What the model can ask for, by name: `run` gets the arguments, and a signal where the framework has one. */
export const tools = {
  lookup_patient: async ({ patient_id }) => {
    calls.push('lookup_patient');
    return { patient_id, status: 'found' };
  },
  fail: async () => {
    throw new TypeError('the records are being moved');
  },
  deny: async () => {
    throw Object.assign(new Error('not your ward'), { code: 'permission_denied' });
  },
  hang: async (_, signal) => {
    calls.push('hang');
    hung();
    await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  },
};

/** @param ask `(question, {stream, signal})`: the model's answer. */
export async function steps(ask) {
  const said = {};
  for (const step of process.argv[2].split('+')) {
    const [tool, count] = {
      parallel: ['lookup_patient', 2],
      stream: ['lookup_patient', 1],
      abort: ['hang', 1],
    }[step] ?? [step, 1];
    const giveUp = new AbortController();
    const isHung = new Promise((resolve) => (hung = resolve));
    const asked = ask(`Do it. [${Array(count).fill(tool).join(', ')}]`, {
      stream: step === 'stream',
      signal: giveUp.signal,
    }).then(
      (answer) => `answered ${answer}`,
      (error) => `threw ${error?.name} ${error?.code ?? ''} ${error?.message}`,
    );
    if (step === 'abort') {
      await isHung;
      giveUp.abort(new Error('the nurse left'));
    }
    said[step] = await asked;
  }
  console.log(JSON.stringify({ ...said, calls }));
}
