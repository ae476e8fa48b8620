/**
 * Trees of formulas: one pass without going back, so that its time grows with the text alone. A bar closes the last open one
 * where an operator could stand and opens one where a value must.
 */
import { Budget } from './budget';
import { NoFormula, tokensOf } from './lexer';
import { call, isCall, type Tree } from './tree';
import { ValueParser } from './valueParser';

const RELATIONS = new Set(['=', '<', '>', '<=', '>=', '!=', '∈', '≈']);

/** @throws NoFormula, OutOfSteps */
export function parseFormula(text: string, budget = new Budget()): Tree {
  return new Parser(tokensOf(text, budget), budget).all();
}

class Parser extends ValueParser {
  all(): Tree {
    const items = this.list();
    if (this.at < this.tokens.length || items.length === 0) throw new NoFormula('something is left over');
    return items.length === 1 ? (items[0] as Tree) : call('List', ...items);
  }

  /** Items between separators; two separators side by side (", and") are one. */
  protected list(): Tree[] {
    const items: Tree[] = [];
    while (this.at < this.tokens.length && (this.at === 0 || !this.closes())) {
      items.push(this.relation());
      if (!this.isOp('sep')) break;
      while (this.take('sep'));
      if (this.at >= this.tokens.length || this.closes()) throw new NoFormula('a list goes on with nothing');
    }
    return items;
  }

  protected relation(): Tree {
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

  protected sum(): Tree {
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
    return this.deeper(() =>
      this.take('-') ? call('Negate', this.term()) : this.take('+') ? this.term() : this.product(),
    );
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
  protected beside(left: Tree): Tree {
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
}
