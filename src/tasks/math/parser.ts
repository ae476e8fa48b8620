/**
 * Trees of formulas: one pass without going back, so that its time grows with the text alone. A bar closes the last open one
 * where an operator could stand and opens one where a value must.
 */
import { Budget } from './budget';
import { FUNCTIONS, NoFormula, type Token, tokensOf } from './lexer';
import { call, integer, isCall, symbol, type Tree } from './tree';
import { decimalOf } from '../numbers';

/** Brackets in brackets that a formula may have. */
const MAX_DEPTH = 40;
const RELATIONS = new Set(['=', '<', '>', '<=', '>=', '!=', '∈', '≈']);
/** Letters that name functions where a bracket follows. */
const FUNCTION_NAMES = new Set(['f', 'g', 'h', 'F', 'G', 'P', 'Q']);
const CLOSERS = new Set([')', ']', '}', '\\}', 'sep', '&', '\\\\']);

/** @throws NoFormula, OutOfSteps */
export function parseFormula(text: string, budget = new Budget()): Tree {
  return new Parser(tokensOf(text, budget), budget).all();
}

class Parser {
  private at = 0;
  private depth = 0;
  /** Bars open in each open bracket. */
  private bars = [0];

  constructor(
    private readonly tokens: readonly Token[],
    private readonly budget: Budget,
  ) {}

  all(): Tree {
    const items = this.list();
    if (this.at < this.tokens.length || items.length === 0) throw new NoFormula('something is left over');
    return items.length === 1 ? (items[0] as Tree) : call('List', ...items);
  }

  private peek(): Token | undefined {
    return this.tokens[this.at];
  }

  private isOp(name: string): boolean {
    const token = this.peek();
    return token?.type === 'op' && token.name === name;
  }

  private take(name: string): boolean {
    if (!this.isOp(name)) return false;
    this.at++;
    return true;
  }

  private expect(name: string): void {
    if (!this.take(name)) throw new NoFormula(`${name} is missing`);
  }

  /** Items between separators; two separators side by side (", and") are one. */
  private list(): Tree[] {
    const items: Tree[] = [];
    while (this.at < this.tokens.length && (this.at === 0 || !this.closes())) {
      items.push(this.relation());
      if (!this.isOp('sep')) break;
      while (this.take('sep'));
      if (this.at >= this.tokens.length || this.closes()) throw new NoFormula('a list goes on with nothing');
    }
    return items;
  }

  private closes(): boolean {
    const token = this.peek();
    return token?.type === 'op' ? CLOSERS.has(token.name) : token?.type === 'word' && token.name.startsWith('end ');
  }

  private relation(): Tree {
    const sides = [this.ratio()];
    const signs: string[] = [];
    for (let token = this.peek(); token?.type === 'op' && RELATIONS.has(token.name); token = this.peek()) {
      this.at++;
      signs.push(token.name);
      sides.push(this.ratio());
    }
    return signs.length === 0 ? (sides[0] as Tree) : call(`Relation ${signs.join(' ')}`, ...sides);
  }

  private ratio(): Tree {
    const parts = [this.sets()];
    while (this.take(':')) parts.push(this.sets());
    return parts.length === 1 ? (parts[0] as Tree) : call('Ratio', ...parts);
  }

  private sets(): Tree {
    let left = this.stacked();
    for (let token = this.peek(); token?.type === 'op' && '∪∩∖'.includes(token.name); token = this.peek()) {
      this.at++;
      left = call(token.name, left, this.stacked());
    }
    return left;
  }

  /** TeX's {a \over b} and {n \choose k}: all before and all behind in the group. */
  private stacked(): Tree {
    const top = this.sum();
    const token = this.peek();
    if (token?.type !== 'word' || (token.name !== 'over' && token.name !== 'choose')) return top;
    this.at++;
    return call(token.name === 'over' ? 'Divide' : 'Binomial', top, this.sum());
  }

  private sum(): Tree {
    const terms: Tree[] = [];
    if (this.take('±')) terms.push(call('PlusMinus', this.term()));
    else if (this.take('∓')) terms.push(call('MinusPlus', this.term()));
    else terms.push(this.term());
    for (;;) {
      if (this.take('+')) terms.push(this.term());
      else if (this.take('-')) terms.push(call('Negate', this.term()));
      else if (this.take('±')) terms.push(call('PlusMinus', this.term()));
      else if (this.take('∓')) terms.push(call('MinusPlus', this.term()));
      else break;
    }
    return terms.length === 1 ? (terms[0] as Tree) : call('Add', ...terms);
  }

  private term(): Tree {
    if (++this.depth > MAX_DEPTH) throw new NoFormula('too deep');
    const result = this.take('-') ? call('Negate', this.term()) : this.take('+') ? this.term() : this.product();
    this.depth--;
    return result;
  }

  private product(): Tree {
    let left = this.factor();
    let divided = false;
    for (;;) {
      this.budget.spend();
      if (this.take('*')) left = call('Multiply', left, this.signed());
      else if (this.take('/')) {
        left = call('Divide', left, this.signed());
        divided = true;
        continue;
      } else if (this.startsFactor()) {
        // Is 1/2x half of x or one over 2x? People write both.
        if (divided) throw new NoFormula('a fraction without an end');
        left = this.beside(left);
      } else return left;
      divided = false;
    }
  }

  private signed(): Tree {
    return this.take('-') ? call('Negate', this.factor()) : this.factor();
  }

  /** Two factors side by side: a product, or a mixed number. */
  private beside(left: Tree): Tree {
    const before = this.tokens[this.at - 1];
    const first = this.peek();
    if (before?.type === 'number' && first?.type === 'number') throw new NoFormula('two numbers side by side');
    const right = this.factor();
    if (first?.type === 'number' && before?.type !== 'op') throw new NoFormula('a number behind a name');
    if (left.kind === 'number' && before?.type === 'number' && isCall(right, 'Divide')) {
      const [top, bottom] = right.args;
      const proper =
        top?.kind === 'number' && bottom?.kind === 'number' && top.value.numerator < bottom.value.numerator;
      if (proper && first?.type === 'word' && first.name === 'frac') return call('Add', left, right);
    }
    return call('Multiply', left, right);
  }

  private startsFactor(): boolean {
    const token = this.peek();
    if (!token) return false;
    if (token.type === 'op') {
      if (token.name === '|' || token.name === '\\|') return (this.bars.at(-1) as number) === 0;
      return token.name === '(' || token.name === '{';
    }
    if (token.type === 'word') return !/^(?:end|rfloor|rceil|prime|degree|circ|over|choose)/.test(token.name);
    return true;
  }

  /** A primary with its exponents, factorials, indices and primes. */
  private factor(): Tree {
    if (++this.depth > MAX_DEPTH) throw new NoFormula('too deep');
    let base = this.primary();
    for (;;) {
      this.budget.spend();
      if (this.take('^')) {
        if (this.degrees()) continue;
        base = call('Power', base, this.argument());
      } else if (this.take('_')) base = call('Indexed', base, this.argument());
      else if (this.take("'")) base = call('Prime', base);
      else if (this.take('!')) base = this.factorial(base);
      else if (this.peek()?.type === 'word' && /^(?:circ|degree)$/.test((this.peek() as { name: string }).name))
        this.at++;
      else break;
    }
    this.depth--;
    return base;
  }

  /** n! or n!!, which is not (n!)!. */
  private factorial(base: Tree): Tree {
    const double = this.take('!');
    if (this.isOp('!')) throw new NoFormula('a factorial of three steps');
    return call(double ? 'DoubleFactorial' : 'Factorial', base);
  }

  /** ^\circ and ^{\circ} are degrees, which are taken off. */
  private degrees(): boolean {
    const braced = this.isOp('{') ? 1 : 0;
    const token = this.tokens[this.at + braced];
    if (token?.type !== 'word' || token.name !== 'circ') return false;
    this.at += 1 + braced;
    if (braced) this.expect('}');
    return true;
  }

  /** What a command or an exponent applies to: a group, or one sign ("\frac12", "x^2", "x^-1"). */
  private argument(digit = false): Tree {
    const token = this.peek();
    if (token?.type === 'op' && token.name === '{') return this.group('{', '}');
    if (token?.type === 'op' && token.name === '-') {
      this.at++;
      return call('Negate', this.argument(digit));
    }
    if (digit && token?.type === 'number' && /^\d\d/.test(token.text)) {
      // \frac12 has two arguments of one digit each.
      (this.tokens as Token[]).splice(
        this.at,
        1,
        { type: 'number', text: token.text[0] as string },
        { type: 'number', text: token.text.slice(1) },
      );
    }
    if (token?.type === 'op' && token.name !== '(') throw new NoFormula('an argument is missing');
    return this.primary();
  }

  private group(open: string, close: string): Tree {
    this.expect(open);
    const items = this.inside(close);
    if (items.length === 0) throw new NoFormula('an empty group');
    return items.length === 1 ? (items[0] as Tree) : call('List', ...items);
  }

  /** The items up to a closing sign. */
  private inside(...close: string[]): Tree[] {
    if (++this.depth > MAX_DEPTH) throw new NoFormula('too deep');
    this.bars.push(0);
    const items = this.list();
    this.bars.pop();
    this.depth--;
    const token = this.peek();
    if (token?.type !== 'op' || !close.includes(token.name)) throw new NoFormula(`${close[0]} is missing`);
    this.at++;
    return items;
  }

  private primary(): Tree {
    this.budget.spend();
    const token = this.tokens[this.at];
    if (!token) throw new NoFormula('a value is missing');
    if (token.type === 'op') return this.bracketed(token.name);
    this.at++;
    if (token.type === 'number') {
      const value = decimalOf(token.text);
      if (!value) throw new NoFormula('a number of too many digits');
      return { kind: 'number', value };
    }
    if (token.type === 'text') return { kind: 'text', text: token.text };
    if (token.type === 'word') return this.word(token.name);
    if (FUNCTION_NAMES.has(token.name) && this.isOp('(')) {
      this.at++;
      return call(`Apply ${token.name}`, ...this.inside(')'));
    }
    return symbol(token.name);
  }

  private bracketed(open: string): Tree {
    if (open === '|' || open === '\\|') return this.absolute(open);
    if (open === '{') return this.group('{', '}');
    if (open === '\\{') {
      this.at++;
      return call('Set', ...this.inside('\\}'));
    }
    if (!['(', '[', ']'].includes(open)) throw new NoFormula(`${open} begins nothing`);
    this.at++;
    const items = open === ']' ? this.inside('[', ']') : this.inside(')', ']', ...(open === '[' ? ['['] : []));
    const close = (this.tokens[this.at - 1] as { name: string }).name;
    if (items.length === 1 && (open === '[') === (close === ']') && open !== ']') return items[0] as Tree;
    if (items.length < 2) throw new NoFormula('empty brackets');
    // ]a, b[ is how some write the open interval.
    return call(`Bracket ${open === '[' ? '[' : '('}${close === ']' ? ']' : ')'}`, ...items);
  }

  private absolute(bar: string): Tree {
    if (++this.depth > MAX_DEPTH) throw new NoFormula('too deep');
    this.at++;
    const level = this.bars.length - 1;
    this.bars[level] = (this.bars[level] as number) + 1;
    const inner = this.sum();
    this.bars[level] = (this.bars[level] as number) - 1;
    this.expect(bar);
    this.depth--;
    return call(bar === '|' ? 'Abs' : 'Norm', inner);
  }

  private word(name: string): Tree {
    if (name === 'frac' || name === 'binom') {
      const top = this.argument(true);
      return call(name === 'frac' ? 'Divide' : 'Binomial', top, this.argument(true));
    }
    if (name === 'sqrt') return this.root();
    if (name === 'emptyset' || name === 'varnothing') return call('Set');
    if (name === 'lfloor' || name === 'lceil') return this.rounded(name);
    if (name.startsWith('begin ')) return this.matrix(name.slice(6));
    if (FUNCTIONS.has(name)) return this.applied(name);
    throw new NoFormula(name);
  }

  private root(): Tree {
    let degree = integer(2n);
    if (this.take('[')) {
      const items = this.inside(']');
      if (items.length !== 1) throw new NoFormula('a root of several degrees');
      degree = items[0] as Tree;
    }
    return call('Root', this.argument(), degree);
  }

  private rounded(name: string): Tree {
    const inner = this.sum();
    const token = this.peek();
    const close = name === 'lfloor' ? 'rfloor' : 'rceil';
    if (token?.type !== 'word' || token.name !== close) throw new NoFormula(`${close} is missing`);
    this.at++;
    return call(name === 'lfloor' ? 'Floor' : 'Ceil', inner);
  }

  /** sin x, sin^2 x, sin^{-1} x, log_2 x: the argument is a bracket or a product up to the next function. */
  private applied(name: string): Tree {
    const base = this.take('_') ? this.argument() : null;
    const exponent = this.take('^') ? this.argument() : null;
    const argument = this.isOp('(') ? this.factor() : this.run();
    const inverse = exponent && isCall(exponent, 'Negate') && ['sin', 'cos', 'tan'].includes(name);
    if (inverse) return call(`arc${name}`, argument);
    const op = name === 'lg' ? 'log' : name;
    const result = base ? call(op, argument, base) : call(op, argument);
    return exponent ? call('Power', result, exponent) : result;
  }

  private run(): Tree {
    let left = this.take('-') ? call('Negate', this.factor()) : this.factor();
    for (let token = this.peek(); token && this.startsFactor(); token = this.peek()) {
      if (token.type === 'op' || (token.type === 'word' && FUNCTIONS.has(token.name))) break;
      left = this.beside(left);
    }
    return left;
  }

  private matrix(kind: string): Tree {
    const rows: Tree[] = [];
    if (++this.depth > MAX_DEPTH) throw new NoFormula('too deep');
    this.bars.push(0);
    for (;;) {
      const cells: Tree[] = [];
      do cells.push(this.relation());
      while (this.take('&'));
      rows.push(call('Row', ...cells));
      if (!this.take('\\\\')) break;
      if (this.closes()) break;
    }
    this.bars.pop();
    this.depth--;
    const token = this.peek();
    if (token?.type !== 'word' || token.name !== `end ${kind}`) throw new NoFormula('a matrix does not end');
    this.at++;
    return call(kind === 'vmatrix' ? 'Determinant' : 'Matrix', ...rows);
  }
}
