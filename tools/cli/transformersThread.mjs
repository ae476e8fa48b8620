/** Starts transformersThread.ts in a thread, which does not take over how its parent reads TypeScript. */
import { register } from 'tsx/esm/api';

register();
await import('./transformersThread.ts');
