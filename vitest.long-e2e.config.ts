/** End-to-end tests that take minutes. */
import { endToEnd } from './tests/e2e/config.ts';
import { LONG_E2E } from './tests/long.ts';

export default endToEnd(LONG_E2E);
