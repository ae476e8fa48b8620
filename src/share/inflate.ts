/** Inflating what comes from outside, with a bound on what comes out. */
import { concatBytes } from '@noble/hashes/utils.js';
import { Inflate } from 'fflate';

/** Bytes that are inflated between two looks at the bound. */
const STEP = 1024;

/** Null for what is no whole deflate stream, or holds more than `limit` bytes. */
export function inflateBounded(packed: Uint8Array, limit: number): Uint8Array | null {
  const parts: Uint8Array[] = [];
  let size = 0;
  let ended = false;
  const inflate = new Inflate((part, final) => {
    size += part.length;
    if (size <= limit) parts.push(part);
    ended ||= final;
  });
  try {
    for (let at = 0; at < packed.length && size <= limit; at += STEP)
      inflate.push(packed.subarray(at, at + STEP), at + STEP >= packed.length);
  } catch {
    return null;
  }
  if (!ended || size > limit) return null;
  return concatBytes(...parts);
}
