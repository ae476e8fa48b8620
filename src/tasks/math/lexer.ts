/** LaTeX and plain formulas as tokens, in one pass over the text. */
import type { Budget } from './budget';

export type Token =
  | { type: 'number'; text: string }
  /** A letter or a command that stands for one: x, \theta, \mathbf{v}. */
  | { type: 'name'; name: string }
  /** A command, a known function or an environment's begin and end, without the backslash. */
  | { type: 'word'; name: string }
  | { type: 'text'; text: string }
  | { type: 'op'; name: string };

/** The text is no formula that this grader knows. */
export class NoFormula extends Error {}

/** Longest text that is read as a formula, in characters. */
export const MAX_FORMULA = 1000;

/** Typographic characters and what they are in a formula. */
const CHARACTERS: Readonly<Record<string, string>> = {
  ...Object.fromEntries([...'−–‐‑‒﹣－'].map((minus) => [minus, '-'])),
  ...{ '×': '*', '·': '*', '⋅': '*', '∗': '*', '÷': '/', '∕': '/', '≤': '<=', '⩽': '<=', '≥': '>=', '⩾': '>=' },
  ...{ '≠': '!=', '±': '\\pm ', '∓': '\\mp ', '√': '\\sqrt ', '∞': '\\infty ', π: '\\pi ', '∪': '\\cup ' },
  ...{ '∩': '\\cap ', '∈': '\\in ', '∅': '\\emptyset ', '°': '^\\circ ', '²': '^2 ', '³': '^3 ', '≈': '\\approx ' },
  ...{ '\u00a0': ' ', '\u2009': ' ', '\u202f': ' ', '\u3000': ' ', '，': ',', '；': ';', '′': "'", '’': "'" },
};

/** Spacing and sizes: they say nothing. */
const SILENT = new Set(
  'left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr middle displaystyle textstyle limits quad qquad thinspace bf rm it'.split(
    ' ',
  ),
);
const SYMBOLS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{ cdot: '*', times: '*', ast: '*', div: '/', le: '<=', leq: '<=', leqslant: '<=', ge: '>=', geq: '>=' },
    ...{ geqslant: '>=', lt: '<', gt: '>', ne: '!=', neq: '!=', pm: '±', mp: '∓', cup: '∪', cap: '∩', in: '∈' },
    ...{ setminus: '∖', approx: '≈', colon: ':', lbrace: '\\{', rbrace: '\\}', lbrack: '[', rbrack: ']', land: 'sep' },
    ...{ lor: 'sep', wedge: 'sep', vee: 'sep', vert: '|', lvert: '|', rvert: '|', lparen: '(', rparen: ')' },
  }),
);
const NAMES = new Set(
  (
    'alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau upsilon phi varphi ' +
    'chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar pi infty aleph'
  ).split(' '),
);
export const FUNCTIONS = new Set(
  'sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan ln log lg exp'.split(' '),
);
const STRUCTURES = new Set(
  'frac sqrt binom over choose lfloor rfloor lceil rceil emptyset varnothing circ degree prime'.split(' '),
);
const TEXTS = new Set('text textbf textit textrm texttt textnormal textsf mathrm mbox hbox operatorname'.split(' '));
/** Alphabets that make another symbol of a letter: a bold v is not the letter v. */
const ALPHABETS = new Set('mathbb mathbf mathcal mathfrak vec hat tilde boldsymbol'.split(' '));
/** Commands that are another's writing. */
const WRITTEN: Readonly<Record<string, string>> = { dfrac: 'frac', tfrac: 'frac', cfrac: 'frac', dbinom: 'binom' };
const ROW_SPACE = /^\*?\s?\[\s?-?\d*\.?\d*\s?(?:pt|em|ex|mm|cm|in)\s?\]|^\*/;
/** Words of plain text that are no products of letters. */
const PLAIN: ReadonlyMap<string, Token> = new Map<string, Token>([
  ...[...FUNCTIONS, 'sqrt'].map((name): [string, Token] => [name, { type: 'word', name }]),
  ['pi', { type: 'name', name: 'pi' }],
  ['infinity', { type: 'name', name: 'infty' }],
  ['inf', { type: 'name', name: 'infty' }],
  ['and', { type: 'op', name: 'sep' }],
  ['or', { type: 'op', name: 'sep' }],
]);

/** @throws NoFormula for what has no meaning in a formula; OutOfSteps */
export function tokensOf(given: string, budget: Budget): Token[] {
  if (given.length > MAX_FORMULA) throw new NoFormula('too long');
  budget.spend(given.length);
  let text = '';
  for (const character of given) text += CHARACTERS[character] ?? character;
  return new Lexer(text, budget).read();
}

class Lexer {
  private at = 0;
  /** Open round, square and curly brackets: inside them a comma never groups digits. */
  private open = 0;
  private readonly tokens: Token[] = [];

  constructor(
    private readonly text: string,
    private readonly budget: Budget,
  ) {}

  read(): Token[] {
    while (this.at < this.text.length) {
      this.budget.spend();
      this.step();
    }
    return this.tokens;
  }

  private step(): void {
    const character = this.text[this.at] as string;
    if (/[\s~$]/.test(character)) this.at++;
    else if (character === '\\') this.command();
    else if (/\d/.test(character) || (character === '.' && /\d/.test(this.text[this.at + 1] ?? ''))) this.number();
    else if (/\p{L}/u.test(character)) this.letters();
    else this.operator(character);
  }

  private operator(character: string): void {
    const pair = this.text.slice(this.at, this.at + 2);
    if (['<=', '>=', '!=', '**', '=='].includes(pair) && !(pair === '!=' && this.factorial())) {
      this.at += 2;
      this.tokens.push({ type: 'op', name: pair === '**' ? '^' : pair === '==' ? '=' : pair });
      return;
    }
    if (!"+-*/^_=<>()[]{}|!',;:&%".includes(character)) throw new NoFormula(`"${character}"`);
    this.at++;
    if ('(['.includes(character)) this.open++;
    if (')]'.includes(character)) this.open--;
    // Percent signs are taken off, not converted.
    if (character !== '%') this.tokens.push({ type: 'op', name: ',;'.includes(character) ? 'sep' : character });
  }

  /** `n!=6` says that n factorial is 6, `n != 6` that n is not. */
  private factorial(): boolean {
    return this.at > 0 && /[\w)}]/.test(this.text[this.at - 1] as string) && this.text[this.at + 2] !== ' ';
  }

  private number(): void {
    const rest = this.text.slice(this.at, this.at + MAX_FORMULA);
    const grouped = /^\d{1,3}(?:(?:\{,\}|,?\s?\\[!,;: ])\s?\d{3}(?!\d))+/.exec(rest)?.[0];
    const commas = this.open > 0 ? undefined : /^\d{1,3}(?:,\d{3})+(?!\d|,\d)/.exec(rest)?.[0];
    let written = grouped ?? commas ?? /^\d*/.exec(rest)?.[0] ?? '';
    const places = /^\.\d+/.exec(rest.slice(written.length))?.[0] ?? '';
    let value = written.replace(/\D/g, '') + places;
    written += places;
    const after = rest.slice(written.length);
    const repeated =
      /^(\.?)\s*\\(?:overline|bar|dot)\s*(?:\{(\d{1,40})\}|(\d))/.exec(after) ?? /^(\.?)\((\d{1,40})\)/.exec(after);
    if (repeated && (places !== '' || repeated[1] === '.')) {
      value += `${repeated[1]}(${repeated[2] ?? repeated[3]})`;
      written += repeated[0];
    } else if (/^\.(?!\d)/.test(after)) written += '.';
    this.at += written.length;
    this.tokens.push({ type: 'number', text: value });
  }

  private letters(): void {
    const run = /^[a-zA-Z]+/.exec(this.text.slice(this.at, this.at + 20))?.[0] ?? '';
    const known = PLAIN.get(run.toLowerCase()) ?? [...PLAIN].find(([name]) => name.length > 2 && run === name)?.[1];
    if (known) {
      this.at += run.length;
      this.tokens.push(known);
      return;
    }
    const letter = String.fromCodePoint(this.text.codePointAt(this.at) as number);
    this.at += letter.length;
    this.tokens.push({ type: 'name', name: letter });
  }

  private command(): void {
    const name = /^[a-zA-Z]+/.exec(this.text.slice(this.at + 1, this.at + 21))?.[0] ?? '';
    if (name === '') {
      this.sign();
      return;
    }
    this.at += 1 + name.length;
    const symbol = SYMBOLS.get(name);
    if (SILENT.has(name)) {
      if (/^\s*\.(?!\d)/.test(this.text.slice(this.at, this.at + 5))) this.at = this.text.indexOf('.', this.at) + 1;
    } else if (symbol !== undefined) {
      if (symbol === '\\{') this.open++;
      if (symbol === '\\}') this.open--;
      this.tokens.push({ type: 'op', name: symbol });
    } else if (TEXTS.has(name)) this.words(this.group());
    else if (ALPHABETS.has(name)) this.tokens.push({ type: 'name', name: `${name} ${this.group().trim()}` });
    else if (NAMES.has(name)) this.tokens.push({ type: 'name', name });
    else if (name === 'begin' || name === 'end') this.environment(name);
    else this.known(WRITTEN[name] ?? name);
  }

  private known(name: string): void {
    if (!FUNCTIONS.has(name) && !STRUCTURES.has(name)) throw new NoFormula(`\\${name}`);
    this.tokens.push({ type: 'word', name });
  }

  private environment(name: string): void {
    const kind = this.group().replace(/\*$/, '');
    if (!/^(?:[pbvB]?matrix|smallmatrix|array)$/.test(kind)) throw new NoFormula(kind);
    // The columns of an array are layout.
    if (name === 'begin' && kind === 'array') this.group();
    this.tokens.push({ type: 'word', name: `${name} ${kind}` });
  }

  /** A command of one character. */
  private sign(): void {
    const sign = this.text[this.at + 1] ?? '';
    this.at += 2;
    if (',;:! $%()[]'.includes(sign) || /\s/.test(sign)) return;
    if (!['\\', '{', '}', '|'].includes(sign)) throw new NoFormula(`\\${sign}`);
    // The space below a row is layout.
    if (sign === '\\') this.at += ROW_SPACE.exec(this.text.slice(this.at, this.at + 20))?.[0].length ?? 0;
    if (sign === '{') this.open++;
    if (sign === '}') this.open--;
    this.tokens.push({ type: 'op', name: `\\${sign}` });
  }

  /** The words of \text{…}: a connective, a letter, a function or a text. */
  private words(content: string): void {
    const words = content.trim();
    if (words === '') return;
    const known = PLAIN.get(words.toLowerCase());
    if (known) this.tokens.push(known);
    else if (/^\p{L}$/u.test(words)) this.tokens.push({ type: 'name', name: words });
    else this.tokens.push({ type: 'text', text: words.toLowerCase() });
  }

  /** The text of the group in braces that begins here, without commands in it. @throws NoFormula */
  private group(): string {
    while (/\s/.test(this.text[this.at] ?? '')) this.at++;
    if (this.text[this.at] !== '{') throw new NoFormula('a group is missing');
    const end = this.text.indexOf('}', this.at);
    const content = this.text.slice(this.at + 1, end);
    if (end < 0 || content.includes('{')) throw new NoFormula('a group does not end');
    this.budget.spend(content.length);
    this.at = end + 1;
    return content;
  }
}
