/** Starts exactThread.ts in a thread, which does not take over how its parent reads TypeScript. */
import { register } from 'tsx/esm/api';

register();
await import('./exactThread.ts');
