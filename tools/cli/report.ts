/** What is said of an error. */
import { PolylogueError } from '../../src/engine/errors';

/** One line without a stack trace; POLYLOGUE_DEBUG=1 adds the trace for those who mend the program. */
export function report(error: unknown): void {
  const known = error instanceof PolylogueError;
  const message = error instanceof Error ? error.message : String(error);
  const oneLine = message.replace(/\s*\n\s*/g, ' ');
  process.stderr.write(`polylogue: ${known ? '' : 'unexpected: '}${oneLine}\n`);
  if (process.env['POLYLOGUE_DEBUG'] && error instanceof Error) process.stderr.write((error.stack ?? '') + '\n');
}
