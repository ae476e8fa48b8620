/** A run of the command line's exact engine, as somebody would hand it out. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Its digest, and the fragment of the link that repeats it. */
export async function exactLink(preset: string): Promise<{ digest: string; fragment: string }> {
  const place = mkdtempSync(join(tmpdir(), 'polylogue-link-'));
  const zip = join(place, 'run.zip');
  const polylogue = async (...args: string[]): Promise<string> => {
    const all = ['tools/cli/polylogue.mjs', ...args];
    return (await promisify(execFile)(process.execPath, all, { maxBuffer: 1 << 28 })).stdout.trim();
  };
  try {
    const run = await polylogue('run', '--preset', preset, '--engine', 'exact', '--out', zip, '--json');
    const { digest } = JSON.parse(run.split('\n').at(-1) ?? '') as { digest: string };
    return { digest, fragment: await polylogue('link', 'encode', '--log', zip) };
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
