import { defineConfig, mergeConfig } from 'vitest/config';
import config from './vitest.config.ts';

/** `npm run mutate`: what takes minutes, and so is no part of `npm test`. */
const mutate = mergeConfig(config, {});
mutate.test!.include = ['test/mutation/**/*.mutation.ts'];
mutate.test!.disableConsoleIntercept = true;
export default defineConfig(mutate);
