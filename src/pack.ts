/**
 * Columns of numbers in the log, one text each: whole numbers, signed ones folded (0, −1, 1, −2, … become 0, 1, 2, 3, …), seven bits a
 * byte with the lowest first and the eighth bit set where more follow, in base64. A log-probability takes two or three bytes.
 */
import { PolylogueError } from './engine/errors';

/** A column is not what `packNumbers` writes, or a number has no place in one. */
export class ColumnError extends PolylogueError {}

/** Log-probabilities are kept in thousandths. */
export const LOGPROB_SCALE = 1000;
/** Margins are kept in hundredths. */
export const MARGIN_SCALE = 100;
/** Weights of tokens are kept in thousandths. */
export const TOKEN_WEIGHT_SCALE = 1000;

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const VALUES = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) VALUES[DIGITS.charCodeAt(i)] = i;

/**
 * @param values finite numbers
 * @param scale each is kept as the nearest multiple of 1/scale
 * @throws ColumnError for what is not finite or too large for a whole number
 */
export function packNumbers(values: readonly number[], scale = 1): string {
  const bytes: number[] = [];
  for (const value of values) {
    const whole = Math.round(value * scale);
    if (!Number.isSafeInteger(whole) || Math.abs(whole) > 2 ** 51)
      throw new ColumnError(`${value} has no place in the log`);
    let folded = whole < 0 ? -2 * whole - 1 : 2 * whole;
    while (folded >= 128) {
      bytes.push((folded % 128) + 128);
      folded = Math.floor(folded / 128);
    }
    bytes.push(folded);
  }
  return toBase64(bytes);
}

/** The numbers of a packed column. @throws ColumnError for a text that `packNumbers` does not write */
export function unpackNumbers(text: string, scale = 1): number[] {
  const values: number[] = [];
  let folded = 0;
  let factor = 1;
  for (const byte of fromBase64(text)) {
    folded += (byte % 128) * factor;
    factor *= 128;
    if (factor > 2 ** 56) throw new ColumnError('a packed number is too large');
    if (byte >= 128) continue;
    const whole = folded % 2 === 1 ? -(folded + 1) / 2 : folded / 2;
    values.push(whole / scale);
    folded = 0;
    factor = 1;
  }
  if (factor !== 1) throw new ColumnError('a packed column breaks off');
  return values;
}

function toBase64(bytes: readonly number[]): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a, b = 0, c = 0] = [bytes[i] as number, bytes[i + 1], bytes[i + 2]];
    const word = (a << 16) | (b << 8) | c;
    const left = bytes.length - i;
    text +=
      DIGITS.charAt(word >> 18) +
      DIGITS.charAt((word >> 12) & 63) +
      (left > 1 ? DIGITS.charAt((word >> 6) & 63) : '') +
      (left > 2 ? DIGITS.charAt(word & 63) : '');
  }
  return text;
}

function fromBase64(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  if (text.length % 4 === 1) throw new ColumnError('a packed column breaks off');
  let word = 0;
  let bits = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const value = code < 128 ? (VALUES[code] as number) : -1;
    if (value < 0) throw new ColumnError(`a packed column holds ${JSON.stringify(text[i])}`);
    word = ((word << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (word >> bits) & 255;
  }
  return bytes;
}
