/** End-to-end tests: the built lab in a real Chromium. */
import { endToEnd } from './tests/e2e/config.ts';
import { LONG_E2E } from './tests/long.ts';

export default endToEnd(['tests/e2e/**/*.e2e.ts'], LONG_E2E);
