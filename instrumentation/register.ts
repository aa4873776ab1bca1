/**
 * Recording in the app, by one added flag: `node --import spanledger/register app.js`.
 *
 * @module spanledger/register
 */
import { register } from './setup.ts';

export { flush, type RegisterOptions, type Registration, register } from './setup.ts';

await register();
