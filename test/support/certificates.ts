import { readFileSync } from 'node:fs';

/**
 * Made once by openssl, for a hundred years: an authority, a server at 127.0.0.1 and localhost, a client of the same
 * authority, and one of an authority nobody knows.
 */
export const certificatePath = (name: string) => `test/support/certificates/${name}`;
const read = (name: string) => readFileSync(certificatePath(name));

export const CA = read('ca.pem');
export const SERVER = { cert: read('server.pem'), key: read('server.key') };
export const CLIENT = { cert: read('client.pem'), key: read('client.key') };
export const FOREIGN = { cert: read('foreign.pem'), key: read('foreign.key') };
