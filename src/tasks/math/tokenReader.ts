/** A place in the tokens of a formula, with what is open there. */
import type { Budget } from './budget';
import { NoFormula, type Token } from './lexer';

/** Brackets in brackets that a formula may have. */
const MAX_DEPTH = 40;
const CLOSERS = new Set([')', ']', '}', '\\}', 'sep', '&', '\\\\']);

export class TokenReader {
  protected at = 0;
  private depth = 0;
  /** Bars open in each open bracket. */
  private readonly bars = [0];

  /** @param tokens changed where one is read as two */
  constructor(
    protected readonly tokens: Token[],
    protected readonly budget: Budget,
  ) {}

  protected peek(): Token | undefined {
    return this.tokens[this.at];
  }

  protected isOp(name: string): boolean {
    const token = this.peek();
    return token?.type === 'op' && token.name === name;
  }

  protected take(name: string): boolean {
    if (!this.isOp(name)) return false;
    this.at++;
    return true;
  }

  protected expect(name: string): void {
    if (!this.take(name)) throw new NoFormula(`${name} is missing`);
  }

  protected closes(): boolean {
    const token = this.peek();
    return token?.type === 'op' ? CLOSERS.has(token.name) : token?.type === 'word' && token.name.startsWith('end ');
  }

  protected startsFactor(): boolean {
    const token = this.peek();
    if (!token) return false;
    if (token.type === 'op') {
      if (token.name === '|' || token.name === '\\|') return (this.bars.at(-1) as number) === 0;
      return token.name === '(' || token.name === '{';
    }
    if (token.type === 'word') return !/^(?:end|rfloor|rceil|prime|degree|circ|over|choose)/.test(token.name);
    return true;
  }

  /** What is read one level deeper. @throws NoFormula beyond MAX_DEPTH */
  protected deeper<T>(read: () => T): T {
    if (++this.depth > MAX_DEPTH) throw new NoFormula('too deep');
    const result = read();
    this.depth--;
    return result;
  }

  /** What is read in brackets, where bars are counted anew. */
  protected bracket<T>(read: () => T): T {
    return this.deeper(() => {
      this.bars.push(0);
      const result = read();
      this.bars.pop();
      return result;
    });
  }

  /** What is read between two bars. */
  protected barred<T>(read: () => T): T {
    const level = this.bars.length - 1;
    this.bars[level] = (this.bars[level] as number) + 1;
    const result = read();
    this.bars[level] = (this.bars[level] as number) - 1;
    return result;
  }
}
