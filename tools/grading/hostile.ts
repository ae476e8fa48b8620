/** Responses that repeat themselves as a small model may, and worse; drawn by a seed. */
import { drawInt } from '../../src/random';

const PIECES = [
  ...[
    '|',
    '\\lvert ',
    '\\|',
    '\\left|',
    '\\{x',
    '(',
    '{',
    '[',
    '\\frac{',
    '\\frac12',
    '\\sqrt',
    '^{',
    '2^',
    '_{',
    ' ',
    '\n',
  ],
  ...[
    '\\boxed{',
    '\\boxed{1}, ',
    'answer is ',
    'The answer is 5',
    '#### ',
    '1,',
    '0.',
    '9',
    '\\text{a}',
    '\\text{',
    '"',
    '$',
  ],
  ...[
    '<think>',
    '</think>',
    '\\begin{pmatrix}',
    '\\begin{array}{c}',
    ' & ',
    '\\\\',
    'x = 5, ',
    '=',
    '-',
    '\\pm',
    '!',
    '500!',
  ],
  ...[
    'f(',
    '\\sin ',
    '\\log_',
    'a b',
    '**',
    '１',
    '個',
    'and ',
    'A, ',
    '(A) ',
    '\\binom{99}{50}',
    '1000!^',
    '\\overline{3}',
  ],
  ...['= 1 ', 'USD ', 'x^{99999}+', ')', '}', ']', '\\cup', ',', ':', '/', '+', '#', '\\!', 'x', '1', '\\right)', '. '],
];
const LENGTHS = [24, 60, 200, 900, 4000, 16_000, 40_000];
const PLACES: ((text: string) => string)[] = [
  (text) => text,
  (text) => `\\boxed{${text}}`,
  (text) => `\\boxed{${text.slice(0, 900)}}`,
  (text) => `The answer is (${text}x`,
  (text) => `#### Answer: a ${text}x`,
];

/** Response `index` of a seed: one to three pieces repeated up to a length, in a place where an answer could stand. */
export function hostileResponse(seed: number, index: number): string {
  const draw = (place: number, most: number) => drawInt({ seed, stream: 0, problem: index }, place, most);
  const unit = Array.from({ length: 1 + draw(0, 3) }, (_, i) => PIECES[draw(1 + i, PIECES.length)] as string).join('');
  const length = LENGTHS[draw(4, LENGTHS.length)] as number;
  const place = PLACES[draw(5, PLACES.length)] as (text: string) => string;
  return place(unit.repeat(Math.ceil(length / unit.length)));
}
