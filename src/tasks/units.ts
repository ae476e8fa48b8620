/**
 * Units behind numbers, or signs of currencies before them. Answers whose units are both known are compared with them: 20 dollars are
 * not 20 cents, 1 km is 1000 m. An answer without a unit is its number, and what is not in the table (apples) counts as none.
 */
import { parseNumber, plainText, rational, type Rational } from './numbers';

export interface Unit {
  /** As canonical answers have it. */
  symbol: string;
  /** What it measures: units of one quantity can be converted. */
  quantity: string;
  /** How many of the quantity's smallest unit it is: `size` / `per`. */
  size: bigint;
  per: bigint;
}

/** quantity: symbol, size, other names. */
const TABLE: readonly (readonly [quantity: string, symbol: string, size: bigint, ...names: string[]])[] = [
  ['dollars', '$', 100n, 'dollar', 'dollars', 'usd', 'us$'],
  ['dollars', '¢', 1n, 'cent', 'cents'],
  ['euros', '€', 1n, 'euro', 'euros', 'eur'],
  ['pounds', '£', 100n, 'gbp'],
  ['pounds', 'pence', 1n],
  ['yen', '¥', 1n, 'yen', 'jpy'],
  ['rupees', '₹', 1n, 'rupee', 'rupees', 'inr'],
  ['length', 'mm', 10n, 'millimeter', 'millimeters', 'millimetre', 'millimetres'],
  ['length', 'cm', 100n, 'centimeter', 'centimeters', 'centimetre', 'centimetres'],
  ['length', 'm', 10_000n, 'meter', 'meters', 'metre', 'metres'],
  ['length', 'km', 10_000_000n, 'kilometer', 'kilometers', 'kilometre', 'kilometres'],
  ['length', 'in', 254n, 'inch', 'inches'],
  ['length', 'ft', 3048n, 'foot', 'feet'],
  ['length', 'yd', 9144n, 'yard', 'yards'],
  ['length', 'mi', 16_093_440n, 'mile', 'miles'],
  // Sixteenths of ten micrograms.
  ['mass', 'mg', 1600n, 'milligram', 'milligrams'],
  ['mass', 'g', 1_600_000n, 'gram', 'grams'],
  ['mass', 'kg', 1_600_000_000n, 'kilogram', 'kilograms'],
  ['mass', 'lb', 725_747_792n, 'lbs'],
  ['mass', 'oz', 45_359_237n, 'ounce', 'ounces'],
  ['time', 'ms', 1n, 'millisecond', 'milliseconds'],
  ['time', 's', 1000n, 'sec', 'second', 'seconds'],
  ['time', 'min', 60_000n, 'mins', 'minute', 'minutes'],
  ['time', 'h', 3_600_000n, 'hr', 'hrs', 'hour', 'hours'],
  ['time', 'd', 86_400_000n, 'day', 'days'],
  ['time', 'week', 604_800_000n, 'weeks'],
  ['months', 'month', 1n, 'months'],
  ['months', 'year', 12n, 'years'],
  ['volume', 'ml', 1n, 'milliliter', 'milliliters', 'millilitre', 'millilitres'],
  ['volume', 'L', 1000n, 'l', 'liter', 'liters', 'litre', 'litres'],
  ['percent', '%', 1n, 'percent'],
];

const UNITS: ReadonlyMap<string, Unit> = new Map(
  TABLE.flatMap(([quantity, symbol, size, ...names]) =>
    [symbol, ...names].map((name): [string, Unit] => [name, { symbol, quantity, size, per: 1n }]),
  ),
);

/** Words behind a number that turn its sense: 5 more is not 5 less, and 20 °C are not 20 °F. */
const SENSES: ReadonlyMap<string, Unit> = new Map(
  Object.entries({
    up: 'increase increased profit gain gained surplus more higher faster later older heavier longer taller up above',
    down: 'decrease decreased loss lost deficit less fewer lower slower earlier younger lighter shorter down below',
    celsius: 'celsius',
    fahrenheit: 'fahrenheit',
  }).flatMap(([sense, words]) =>
    words
      .split(' ')
      .map((symbol): [string, Unit] => [symbol, { symbol, quantity: `sense ${sense}`, size: 1n, per: 1n }]),
  ),
);

/** @param text as it was written @param plain the same without LaTeX's clothing and degree signs */
function senseOf(text: string, plain: string): Unit | null {
  const scale = /(?:°|\\circ\}?|\\degree)\s*(?:\\(?:text|mathrm)\s*\{\s*)?(C|F)\s*\}?\s*\$?\s*$/.exec(text)?.[1];
  const word = scale === undefined ? /\d[^\d]*?(\p{L}+)$/u.exec(plain)?.[1] : { C: 'celsius', F: 'fahrenheit' }[scale];
  return SENSES.get(word?.toLowerCase() ?? '') ?? null;
}

/** The unit that stands with a number, or null where there is none, or none that is known. */
export function unitOf(text: string): Unit | null {
  if (text.length > 400) return null;
  const plain = plainText(text.replace(/^\s*\$([^$]*)\$\s*$/, '$1'));
  const sense = senseOf(text, plain);
  if (sense) return sense;
  const sign = /^[+-]?\s*([$€£¥₹])/.exec(plain)?.[1] ?? /(?<=\d\s*)([$€£¥¢₹%])\s*$/.exec(plain)?.[1];
  if (sign !== undefined) return UNITS.get(sign) ?? null;
  const tail = /\d\s*(\p{L}[\p{L}.^{}²³23\s/]*)$/u.exec(plain)?.[1];
  if (tail === undefined) return null;
  const [top = '', bottom, more] = (RATES.get(tail.trim().toLowerCase()) ?? tail).split(/\s*\/\s*|\s+per\s+/);
  const unit = simpleUnit(top.trim());
  if (bottom === undefined || unit === null) return unit;
  const below = more === undefined ? simpleUnit(bottom.trim()) : null;
  return (
    below && {
      symbol: `${unit.symbol}/${below.symbol}`,
      quantity: `${unit.quantity} per ${below.quantity}`,
      size: unit.size * below.per,
      per: unit.per * below.size,
    }
  );
}

const RATES: ReadonlyMap<string, string> = new Map([
  ['mph', 'mi/h'],
  ['kmh', 'km/h'],
  ['kph', 'km/h'],
]);

/** A unit without a ratio: cm, square feet, m^3. */
function simpleUnit(text: string): Unit | null {
  const found = /^(square|sq\.?|cubic)?\s*(\p{L}+|[$€£¥¢₹%])\s*(?:\^?\{?([23²³])\}?)?$/u.exec(text);
  const [, word, name = '', exponent] = found ?? [];
  const unit = UNITS.get(name) ?? UNITS.get(name.toLowerCase());
  if (!unit) return null;
  const power = /[3³]/.test(exponent ?? '') || word === 'cubic' ? 3 : exponent || word ? 2 : 1;
  if (power === 1) return unit;
  return {
    symbol: `${unit.symbol}^${power}`,
    quantity: `${unit.quantity} ${power}`,
    size: unit.size ** BigInt(power),
    per: 1n,
  };
}

/** Whether two numbers with known units are the same amount; null where one has none, so that the numbers alone decide. */
export function sameAmount(a: string, b: string): boolean | null {
  const [left, right] = [unitOf(a), unitOf(b)];
  if (!left || !right) return null;
  const [x, y] = [parseNumber(a), parseNumber(b)];
  if (!x || !y) return null;
  const senses = [left, right].filter(({ quantity }) => quantity.startsWith('sense ')).length;
  if (senses === 1) return null;
  if (left.quantity !== right.quantity) return false;
  return same(times(x, left), times(y, right));
}

function times({ numerator, denominator }: Rational, { size, per }: Unit): Rational {
  return rational(numerator * size, denominator * per);
}

function same(a: Rational, b: Rational): boolean {
  return a.numerator === b.numerator && a.denominator === b.denominator;
}
