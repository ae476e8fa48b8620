/** Bundles as commands take them: a file, or an https address with the sha-256 of its file. */
import { bytesToHex } from '@noble/hashes/utils.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { FileError } from '../../src/engine/errors';
import { cutSentence } from '../../src/share/cutLog';
import { openBundle, type Bundle } from '../../src/share/openBundle';
import { fetchBundle, remoteBundle } from '../../src/share/remoteBundle';
import { text, UsageError, type Values } from './args';
import type { Output } from './output';
import { readBytes } from './session';

/** The option that goes with an address; a file is held to it, too. */
export const BUNDLE_OPTIONS = { sha256: { type: 'string' } } as const;

export const BUNDLE_HELP = `  The file may be an https address, with --sha256 HEX: a file with another sha-256 is not read`;

/**
 * @throws UsageError for an address without a hash; RemoteBundleError; FileError for a file that cannot be read or has another hash
 */
export async function readBundleBytes(file: string, values: Values): Promise<Uint8Array> {
  const hash = text(values, 'sha256');
  if (/^[a-z][a-z+.-]*:\/\//i.test(file)) {
    if (hash === undefined)
      throw new UsageError('give the sha-256 of the file with --sha256 HEX, as sha256sum prints it');
    return fetchBundle(remoteBundle(file, hash));
  }
  const bytes = await readBytes(file);
  const found = bytesToHex(sha256(bytes));
  if (hash !== undefined && found !== hash.toLowerCase())
    throw new FileError(file, `has the sha-256 ${found}, not ${hash}`);
  return bytes;
}

/**
 * A run to look at: a log alone whose last line was not written to its end is read up to there, and the person is told.
 * @throws as `openBundle`
 */
export function openToLookAt(file: string, bytes: Uint8Array, output: Pick<Output, 'note'>): Bundle {
  const bundle = openBundle(file, bytes, 'read');
  if (bundle.cut) output.note(cutSentence(file, bundle.cut));
  return bundle;
}

/** The same in a result: the line that was left out; nothing where none was. */
export function cutIn({ cut }: Bundle): { cut_line?: number } {
  return cut ? { cut_line: cut.line } : {};
}
