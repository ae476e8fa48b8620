/** End-to-end tests in which workers, devices and browsers end: they take minutes. */
import { endToEnd } from './tests/e2e/config.ts';
import { LONG_E2E } from './tests/long.ts';

export default endToEnd(LONG_E2E);
