/** The link of a run as its log has it. */
import type { RunEvent } from '../events';
import { receiptOf } from '../log/receipt';
import { checkConfig } from '../recipes/resolve';
import { ConfigurationError } from '../recipes/errors';
import { LinkError, LinkTooLongError } from './errors';
import { encodeLink, linkOf } from './link';

/**
 * The fragment that repeats a run, with what came out where it is finished. What is too long with it goes without.
 * @param digest of the log as it was written, where that is known
 * @param receipt false = the experiment without what came out
 * @returns null where no link holds the run's settings
 */
export function linkOfRun(
  events: readonly RunEvent[],
  { digest, receipt: wanted = true }: { digest?: string; receipt?: boolean } = {},
): string | null {
  const [started] = events;
  if (started?.type !== 'run-started') return null;
  const finished = events.at(-1)?.type === 'run-finished' && wanted;
  try {
    const config = checkConfig(started.config);
    const plain = (): string => encodeLink(linkOf(config, { started }));
    if (!finished) return plain();
    const receipt = receiptOf(events);
    try {
      return encodeLink(linkOf(config, { started, receipt: digest === undefined ? receipt : { ...receipt, digest } }));
    } catch (error) {
      if (!(error instanceof LinkTooLongError)) throw error;
      return plain();
    }
  } catch (error) {
    if (error instanceof LinkTooLongError || error instanceof LinkError || error instanceof ConfigurationError)
      return null;
    throw error;
  }
}
