/**
 * Numbers as people and models write them, read exactly: integers, decimals, fractions, thousands separators, a currency
 * sign, a percent sign or a unit around them. Rationals of big integers, so 0.1 + 0.2 is 0.3 and 1/3 is not 0.3333.
 */

/** numerator / denominator in lowest terms, denominator > 0. */
export interface Rational {
  numerator: bigint;
  denominator: bigint;
}

/** More digits or a larger exponent than this is a runaway, not an answer. */
const MAX_DIGITS = 150;
const MAX_EXPONENT = 30;
/** A text of more characters is no number; patterns that look for one would take long over it. */
const MAX_LENGTH = 400;
/** Longest decimal expansion that is written as one; others stay fractions. */
const MAX_DECIMALS = 12;

const DIGITS = String.raw`(?:\d{1,3}(?:,\d{3})+|\d+)`;
const DECIMAL = String.raw`(?:${DIGITS}(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,3})?`;
const FRACTION = String.raw`\\[dt]?frac\s*(?:\{\s*([+-]?${DECIMAL})\s*\}\s*\{\s*([+-]?${DECIMAL})\s*\}|\s?(\d)\s?(\d))`;
const NUMBER = new RegExp(`^(${DECIMAL})(?!\\d|,\\d)(?:\\s*/\\s*(${DIGITS})(?![\\d.]))?`);
const SCIENTIFIC = new RegExp(
  String.raw`^(${DECIMAL})\s*(?:\\times|\\cdot|[×*·x])\s*10\s*\^\s*(?:\{\s*([+-]?\d{1,3})\s*\}|([+-]?\d{1,3}))`,
);
const MIXED = new RegExp(`^(\\d+)\\s+(\\d+)\\s*/\\s*(\\d+)(?![\\d.])`);
const LATEX_FRACTION = new RegExp(`^(\\d+)?\\s*${FRACTION}`);

const HAN_SCALES: Readonly<Record<string, bigint>> = {
  ...{ 百: 100n, 千: 1000n, 万: 10n ** 4n, 萬: 10n ** 4n, 亿: 10n ** 8n, 億: 10n ** 8n },
};
/** Words after a number that multiply it: 3 hundred thousand. */
const SCALES: ReadonlyMap<string, bigint> = new Map([
  ['hundred', 100n],
  ['thousand', 10n ** 3n],
  ['million', 10n ** 6n],
  ['billion', 10n ** 9n],
  ['trillion', 10n ** 12n],
  ...[...'百千万亿萬億'].map((word): [string, bigint] => [word, HAN_SCALES[word] as bigint]),
]);
/** Words that make of a number a list, a range, a calculation, a time of day or a part: not one number. */
const NOT_UNITS =
  /\b(?:and|or|to|plus|minus|times|over|not|than|through|equals?|squared|cubed|factorial|power|root|mod|modulo|half|halves|thirds?|fourths?|fifths?|[ap]\.?m|bce?|ad|north|south|east|west)\b|[半分点點成折又和或至到]之?/iu;

/** Whether words behind a number may be a unit: hours, but not half or AM. */
export function mayBeUnit(words: string): boolean {
  return !NOT_UNITS.test(words);
}

/** Letters right behind the digits are variables (5x, 2xy) unless they are one of these; one letter always is (5m). */
const ATTACHED_UNITS = /^(?:km|cm|mm|kg|mg|ml|mL|min|mins|hr|hrs|sec|ft|in|lb|lbs|oz|mph|mi|yd|th|st|nd|rd)\b/;
/** Counter words and units of scripts that have no variables may stand right behind the digits: 12个, 12명. */
const COUNTERS = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;
/** Names of currencies, before or behind the number. */
const CURRENCIES =
  /(?<![\p{L}\d])(?:US|HK|NZ|AU|CA|A|C|S)\$|\b(?:USD|EUR|GBP|JPY|CNY|RMB|INR|CAD|AUD|CHF)\b|\bRs\b\.?/gu;
/** One letter after a space is a variable unless it is one of these. */
const SHORT_UNITS = /^(?:m|g|l|L|s|h|C|F|K|W|V|A|N|J)$/;

/**
 * The one number that a text says, or null. A percent sign, a currency sign and a unit are taken off, not converted: 50 % is
 * 50, 20 cents are 20, as in the answers of GSM8K; 2 million is 2,000,000. "5 or 6", "3:30", "5x" and "1,23" are no numbers.
 */
export function parseNumber(text: string): Rational | null {
  if (text.length > MAX_LENGTH) return null;
  let rest = plainText(text);
  let negative = false;
  const sign = /^[$€£¥₹₩]?\s*([+-])?\s*[$€£¥₹₩]?\s*/.exec(rest);
  if (sign) {
    negative = sign[1] === '-';
    rest = rest.slice(sign[0].length);
  }
  const read = readMagnitude(rest);
  if (!read) return null;
  const scale = readUnit(rest.slice(read.length));
  if (scale === null) return null;
  const { numerator, denominator } = read.value;
  return rational((negative ? -1n : 1n) * numerator * scale, denominator);
}

/**
 * One text per number: an integer, a decimal of at most 12 places where that is exact, otherwise a fraction in lowest terms.
 * Equal numbers have equal texts.
 */
export function canonicalNumber({ numerator, denominator }: Rational): string {
  if (denominator === 1n) return numerator.toString();
  let scaled = denominator;
  for (const factor of [2n, 5n]) while (scaled % factor === 0n) scaled /= factor;
  let decimals = 0;
  let power = 1n;
  while (scaled === 1n && power % denominator !== 0n && decimals <= MAX_DECIMALS) {
    decimals++;
    power *= 10n;
  }
  if (scaled !== 1n || decimals > MAX_DECIMALS) return `${numerator}/${denominator}`;
  const whole = (numerator * power) / denominator;
  const digits = (whole < 0n ? -whole : whole).toString().padStart(decimals + 1, '0');
  return `${whole < 0n ? '-' : ''}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

/** `canonicalNumber` of what a text says, or null. */
export function readNumber(text: string): string | null {
  const value = parseNumber(text);
  return value && canonicalNumber(value);
}

/** Do two texts say the same number? */
export function sameNumber(a: string, b: string): boolean {
  if (a === b) return true;
  const left = readNumber(a);
  return left !== null && left === readNumber(b);
}

function readMagnitude(text: string): { value: Rational; length: number } | null {
  const latex = LATEX_FRACTION.exec(text);
  if (latex) {
    const [all, whole, n = latex[4] ?? '', d = latex[5] ?? ''] = latex;
    // 2 and -1/2 side by side are no mixed number.
    if (whole !== undefined && /[+-]/.test(n + d)) return null;
    return measured(all, fraction(whole ?? '0', n, d));
  }
  const scientific = SCIENTIFIC.exec(text);
  if (scientific) {
    const [all, mantissa = '', exponent = scientific[3] ?? ''] = scientific;
    return measured(all, product(decimal(mantissa), decimal(`1e${exponent}`)));
  }
  const mixed = MIXED.exec(text);
  if (mixed) {
    const [all, whole = '0', n = '', d = ''] = mixed;
    return measured(all, fraction(whole, n, d));
  }
  const plain = NUMBER.exec(text);
  if (!plain) return null;
  const [all, top = '', bottom = '1'] = plain;
  const numerator = decimal(top);
  const denominator = decimal(bottom);
  if (!numerator || !denominator || denominator.numerator === 0n) return null;
  return measured(
    all,
    rational(numerator.numerator * denominator.denominator, numerator.denominator * denominator.numerator),
  );
}

function measured(all: string, value: Rational | null): { value: Rational; length: number } | null {
  return value && { value, length: all.length };
}

/** whole + n/d of decimals; n and d may have signs. */
function fraction(whole: string, n: string, d: string): Rational | null {
  const [w, top, bottom] = [decimal(whole), signedDecimal(n), signedDecimal(d)];
  if (!w || !top || !bottom || bottom.numerator === 0n) return null;
  const sign = bottom.numerator < 0n ? -1n : 1n;
  const numerator = sign * top.numerator * bottom.denominator;
  const denominator = sign * bottom.numerator * top.denominator;
  return rational(w.numerator * denominator + numerator * w.denominator, denominator * w.denominator);
}

function product(a: Rational | null, b: Rational | null): Rational | null {
  return a && b && rational(a.numerator * b.numerator, a.denominator * b.denominator);
}

function signedDecimal(text: string): Rational | null {
  const value = decimal(text.replace(/^[+-]/, ''));
  return value && text.startsWith('-') ? { ...value, numerator: -value.numerator } : value;
}

function decimal(text: string): Rational | null {
  const [mantissa = '', exponentText = '0'] = text.replaceAll(',', '').split(/[eE]/);
  const [whole = '', places = ''] = mantissa.split('.');
  const exponent = Number(exponentText) - places.length;
  if (whole.length + places.length > MAX_DIGITS || Math.abs(Number(exponentText)) > MAX_EXPONENT) return null;
  const digits = BigInt(whole + places);
  return exponent >= 0 ? rational(digits * 10n ** BigInt(exponent), 1n) : rational(digits, 10n ** BigInt(-exponent));
}

/** A number token: digits, decimals and a period in brackets, 0.1(6); null where it is too long. */
export function decimalOf(text: string): Rational | null {
  const repeating = /^(\d*)\.(\d*)\((\d+)\)$/.exec(text);
  if (!repeating) return decimal(text);
  const [, whole = '', fixed = '', period = ''] = repeating;
  if (whole.length + fixed.length + period.length > MAX_DIGITS) return null;
  // x = 0.1(6): 100x − 10x = 16.6… − 1.6… = 15, so x = 15/90.
  const scale = 10n ** BigInt(fixed.length);
  const nines = 10n ** BigInt(period.length) - 1n;
  const long = BigInt(whole + fixed + period) - BigInt(whole + fixed || '0');
  return rational(long, scale * nines);
}

/** What stands after a number: 1 for nothing or a unit, the factor of "million" or "hundred thousand", null for what is no unit. */
function readUnit(tail: string): bigint | null {
  if (tail.trim() === '') return 1n;
  // Also in brackets: 5 (apples).
  const words = tail
    .replace(CURRENCIES, ' ')
    .replace(/[%$€£¥¢₹₩元円]/g, ' ')
    .replace(/^\s*\(\s*(\p{L}[\p{L}\s]*)\)\s*$/u, '$1')
    .trim();
  if (words === '') return 1n;
  if (/^\p{L}/u.test(tail) && !ATTACHED_UNITS.test(tail) && !COUNTERS.test(tail)) return null;
  // Words, with powers (m^2, m²) and ratios (km/h, per day) of them.
  if (
    !/^-?\p{L}[\p{L}\s.'’/·-]*(?:\^\{?[23]\}?|(?<=\p{L})[23²³])?[\p{L}\s.'’/·-]*$/u.test(words) ||
    NOT_UNITS.test(words)
  )
    return null;
  if (/^\p{L}$/u.test(words) && !COUNTERS.test(words)) return SHORT_UNITS.test(words) ? 1n : null;
  let scale = 1n;
  const spoken = words.toLowerCase().replace(/^[百千万亿萬億]+/, (scales) => `${[...scales].join(' ')} `);
  for (const word of spoken.split(/\s+/)) {
    const factor = SCALES.get(word);
    if (factor === undefined) break;
    scale *= factor;
  }
  return scale;
}

/** Words before a colon that announce a number. Others belong to the answer: Apollo: 11 is not 11. */
const LABEL = /^\s*(?:the\s)?(?:final\s|correct\s)?(?:answer|result|total|sum|solution|value)\s?:\s*(?=\S)/iu;

/** The zeros of scripts whose digits are read: Arabic, Persian, those of India, Thai, Lao, Tibetan, Burmese, Khmer. */
const ZEROS = [
  ...[0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0, 0xf20, 0x1040, 0x17e0],
  // Bold, double-struck and other digits of mathematics.
  ...[0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6],
];
const OTHERS: ReadonlyMap<string, string> = new Map([
  ...ZEROS.flatMap((zero) =>
    Array.from({ length: 10 }, (_, digit): [string, string] => [String.fromCodePoint(zero + digit), String(digit)]),
  ),
  ...Array.from({ length: 0x5e }, (_, i): [string, string] => [
    String.fromCharCode(0xff01 + i),
    String.fromCharCode(0x21 + i),
  ]),
  ['\u3000', ' '],
  // Arabic signs for decimals, thousands and percent.
  ...[...'٫.٬,٪%'.matchAll(/(.)(.)/g)].map(([, sign, other]): [string, string] => [sign as string, other as string]),
]);

/** Digits of other scripts, full-width letters and signs of East Asian typing, as the others know them. */
export function halfWidth(text: string): string {
  return text.replace(/[^\0-\u065f]/gu, (character) => OTHERS.get(character) ?? character);
}

/** Takes LaTeX's and typography's clothing off a number. */
export function plainText(text: string): string {
  return halfWidth(text)
    .replace(/[−–‐‑‒﹣]/g, '-')
    .replace(/(\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))/g, '$1')
    .replace(/[\u00a0\u2009\u202f]/g, ' ')
    .replace(/\\[()[\]]/g, ' ')
    .replace(
      /\\(?:text|textbf|textit|textrm|texttt|mathrm|mathbf|mathit|mbox|operatorname|mathbb)\s*\{([^{}]*)\}/g,
      ' $1 ',
    )
    .replace(/\\(?:left|right|displaystyle|bf)\b/g, '')
    .replace(/\^\s*(?:\{\s*\\circ\s*\}|\\circ)|\\circ|\\degree|°/g, ' ')
    .replace(/(\d)\s?(?:\{\s?,\s?\}(?:\\[,!;: ])?|,?\s?\\[,!;: ])\s?(?=\d{3}(?!\d))/g, '$1')
    .replace(/\{,\}/g, ',')
    .replace(/\\[,!;: ]|~/g, ' ')
    .replace(/\\([$%€£])/g, '$1')
    .replace(/^\s*\$([^$]*)\$\s*$/, '$1')
    .replace(/^(US|HK|NZ|AU|CA|A|C|S)(?=\s?\$)/, '')
    .replace(/^\s*(?:USD|EUR|GBP|JPY|CNY|RMB|INR|CAD|AUD|CHF|Rs\.?)(?![\p{L}])\s?/u, '')
    .replace(/^\s*\*\*|\*\*\s*$|(?<=\p{L}:?\s?)\*\*|\*\*(?=\s?\p{L})|`/gu, '')
    .replace(LABEL, '')
    .replace(/^\s*["'“”‘’]+|["'“”‘’]+\s*$/g, '')
    .replace(/^\s*\(([^(),]*)\)\s*$/, '$1')
    .replace(/^\s*\{([^{}]*)\}\s*$/, '$1')
    .replace(/\s*[.,;:]\s*$/, '')
    .trim();
}

/** The fraction in lowest terms; the denominator is positive. */
export function rational(numerator: bigint, denominator: bigint): Rational {
  let [a, b] = [numerator < 0n ? -numerator : numerator, denominator];
  while (b !== 0n) [a, b] = [b, a % b];
  return a === 0n ? { numerator: 0n, denominator: 1n } : { numerator: numerator / a, denominator: denominator / a };
}
