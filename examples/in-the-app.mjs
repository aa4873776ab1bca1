// An agent's tools, recorded. Run it with one flag more than you would:
//
//   node --import spanledger/register examples/in-the-app.mjs
//   spanledger timeline conv-7
import { audit, auditTool, withAuditContext } from 'spanledger';

const patients = new Map([
  ['P-1042', { patient_id: 'P-1042', ssn: '078-05-1120', allergies: ['penicillin'] }],
]);

// A plain function is a tool once it is wrapped: its intent stands in the journal before it runs.
const readRecord = auditTool(
  async function access_patient_record({ patient_id }) {
    const found = patients.get(patient_id);
    if (found === undefined) throw new Error(`no patient ${patient_id}`);
    return found;
  },
  {
    resource: ({ patient_id }) => ({ type: 'patient', id: patient_id, subject: patient_id }),
    action: 'data_accessed',
    failClosed: true,
  },
);

// One line says on whose behalf, and why. It travels beside the spans: no other exporter sees it.
await withAuditContext(
  { user: 'nurse-17', role: 'nurse', purpose: 'TREAT', conversationId: 'conv-7', agent: 'medrec' },
  async () => {
    await readRecord({ patient_id: 'P-1042' });
    await readRecord({ patient_id: 'P-9' }).catch(() => undefined);
    // What is no call of a tool is told.
    audit.event({ action: 'conversation_ended' });
  },
);
