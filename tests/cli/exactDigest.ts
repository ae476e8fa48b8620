/** The digest with which a preset ends on the command line's exact engine. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** @param workers threads; the digest does not depend on it */
export async function exactDigest(
  preset: string,
  workers = 2,
  engine = 'exact',
  more: readonly string[] = [],
): Promise<string> {
  const threads = engine === 'exact' ? ['--workers', String(workers)] : [];
  const args = [
    'tools/cli/polylogue.mjs',
    'run',
    '--preset',
    preset,
    '--engine',
    engine,
    ...threads,
    ...more,
    '--json',
  ];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 28 });
  const last = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { digest: string };
  return last.digest;
}
