/** Verbs that begin, or stand in, the name of a tool that changes something. Anything else reads. */
const MODIFYING = new Set(
  'add apply approve archive assign book cancel charge clear close create delete disable drop edit enable execute exec import insert issue merge modify move order pay post process publish purge put refund register remove rename replace reset revoke run save schedule send set submit transfer trash update upload upsert void write'.split(
    ' ',
  ),
);

/**
 * What a tool does to its resource, by the words of its name: `update_patient`, `patientUpdate` and
 * `fhir.Patient.update` modify, `get_update_status` and `list_orders` read, as their first verb does.
 */
export function actionOf(tool: string): 'read' | 'modify' {
  const words = tool
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/);
  const verb = words.find((word) => MODIFYING.has(word) || READING.has(word));
  return verb !== undefined && MODIFYING.has(verb) ? 'modify' : 'read';
}

const READING = new Set(
  'access browse check count describe download export fetch find get list load lookup look open peek query read retrieve search show summarize view watch'.split(
    ' ',
  ),
);
