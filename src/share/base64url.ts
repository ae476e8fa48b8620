/** Base64 for addresses (RFC 4648, section 5), without padding. */
import { hexToBytes, bytesToHex } from '@noble/hashes/utils.js';

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const VALUES = new Map([...DIGITS].map((digit, value) => [digit, value]));

export function toBase64Url(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(at, at + 3);
    const word = (a << 16) | (b << 8) | c;
    for (let digit = 0; digit < Math.min(4, bytes.length - at + 1); digit++)
      text += DIGITS[(word >> (18 - 6 * digit)) & 63];
  }
  return text;
}

/** Null for text that is not base64url, or in which bits beyond the last byte are set. */
export function fromBase64Url(text: string): Uint8Array | null {
  if (text.length % 4 === 1) return null;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let word = 0;
  let at = 0;
  for (const digit of text) {
    const value = VALUES.get(digit);
    if (value === undefined) return null;
    word = ((word << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (word >> bits) & 255;
  }
  return (word & ((1 << bits) - 1)) === 0 ? bytes : null;
}

/** A hexadecimal digest in three quarters of its length. */
export function hexToBase64Url(hex: string): string {
  return toBase64Url(hexToBytes(hex));
}

export function base64UrlToHex(text: string): string | null {
  const bytes = fromBase64Url(text);
  return bytes && bytesToHex(bytes);
}
