/** Hashes of files and chunks. */
import { sha1 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { ModelFile } from './manifest';

/** A hash that takes its input in pieces, in order. */
export interface FileHash {
  update(bytes: Uint8Array): void;
  /** Hex. */
  digest(): string;
}

/** The hash by which a file is checked: SHA-256 when it is known, else git's blob id. */
export function fileHash(file: ModelFile): FileHash {
  const hash = file.sha256 === null ? sha1.create() : sha256.create();
  if (file.sha256 === null) hash.update(new TextEncoder().encode(`blob ${file.size}\0`));
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => bytesToHex(hash.digest()),
  };
}

/** What `fileHash` must come to. */
export function expectedHash(file: ModelFile): string {
  return (file.sha256 ?? file.gitSha1) as string;
}

/** SHA-256 of a whole buffer, hex; by the platform where it offers that (secure contexts), several times as fast. */
export async function chunkDigest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle;
  return bytesToHex(subtle ? new Uint8Array(await subtle.digest('SHA-256', bytes)) : sha256(bytes));
}
