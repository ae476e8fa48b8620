/** Values of formulas: numbers, names, brackets, functions and matrices, with their exponents, factorials and indices. */
import { FUNCTIONS, NoFormula } from './lexer';
import { TokenReader } from './tokenReader';
import { call, integer, isCall, symbol, type Tree } from './tree';
import { decimalOf } from '../numbers';

/** Letters that name functions where a bracket follows. */
const FUNCTION_NAMES = new Set(['f', 'g', 'h', 'F', 'G', 'P', 'Q']);

/** Functions of an angle: in them a degree is π/180, elsewhere its sign is taken off. */
const OF_ANGLES = new Set(['sin', 'cos', 'tan', 'cot', 'sec', 'csc']);
const DEGREE = call('Divide', symbol('pi'), integer(180n));

export abstract class ValueParser extends TokenReader {
  /** Functions of an angle that are open here. */
  private angles = 0;

  /** Items between separators. */
  protected abstract list(): Tree[];
  protected abstract relation(): Tree;
  protected abstract sum(): Tree;
  /** Two factors side by side. */
  protected abstract beside(left: Tree): Tree;

  /** A primary with its exponents, factorials, indices and primes. */
  protected factor(): Tree {
    return this.deeper(() => this.withSuffixes(this.primary()));
  }

  private withSuffixes(value: Tree): Tree {
    let base = value;
    for (;;) {
      this.budget.spend();
      if (this.take('^')) {
        base = this.degrees() ? this.inDegrees(base) : call('Power', base, this.argument());
      } else if (this.take('_')) base = call('Indexed', base, this.argument());
      else if (this.take("'")) base = call('Prime', base);
      else if (this.take('!')) base = this.factorial(base);
      else if (this.peek()?.type === 'word' && /^(?:circ|degree)$/.test((this.peek() as { name: string }).name)) {
        this.at++;
        base = this.inDegrees(base);
      } else break;
    }
    return base;
  }

  /** n! or n!!, which is not (n!)!. */
  private factorial(base: Tree): Tree {
    const double = this.take('!');
    if (this.isOp('!')) throw new NoFormula('a factorial of three steps');
    return call(double ? 'DoubleFactorial' : 'Factorial', base);
  }

  /** 30° is 30, but sin 30° is no sin 30. */
  private inDegrees(value: Tree): Tree {
    return this.angles > 0 ? call('Multiply', value, DEGREE) : value;
  }

  /** Takes ^\circ and ^{\circ}. */
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
      this.tokens.splice(
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
    const items = this.bracket(() => this.list());
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
    const inner = this.deeper(() => {
      this.at++;
      const value = this.barred(() => this.sum());
      this.expect(bar);
      return value;
    });
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
    const ofAngle = OF_ANGLES.has(name) ? 1 : 0;
    this.angles += ofAngle;
    const argument = this.isOp('(') ? this.factor() : this.run();
    this.angles -= ofAngle;
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
    const rows = this.bracket(() => this.rows());
    const token = this.peek();
    if (token?.type !== 'word' || token.name !== `end ${kind}`) throw new NoFormula('a matrix does not end');
    this.at++;
    return call(kind === 'vmatrix' ? 'Determinant' : 'Matrix', ...rows);
  }

  private rows(): Tree[] {
    const rows: Tree[] = [];
    do {
      const cells: Tree[] = [];
      do cells.push(this.relation());
      while (this.take('&'));
      rows.push(call('Row', ...cells));
    } while (this.take('\\\\') && !this.closes());
    return rows;
  }
}
