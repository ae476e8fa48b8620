/**
 * Chat templates: Jinja as Python's jinja2 renders it for chat templates, for the part of the language that they use. What is not
 * known here is refused. Nothing in a template is random or reads a clock, and its steps are bounded.
 */
import { parse } from '@huggingface/jinja';
import type { Piece } from '../tokenizer/spans';
import { strftime } from './dates';
import { argumentsOf, Budget, evaluate, Scope } from './evaluate';
import { lex, TemplateError } from './lexer';
import type { Node, Program } from './nodes';
import {
  Callable,
  integer,
  itemsOf,
  kindOf,
  Missing,
  Namespace,
  truthy,
  Words,
  words,
  written,
  type Value,
} from './values';

export { DATE } from './dates';
export { TemplateError, TooMuchError } from './lexer';
export { Words, type Value } from './values';

/** Characters of a template at most; the longest in use have some 15,000. */
export const LONGEST_TEMPLATE = 1_000_000;

export class Template {
  readonly #program: Program;

  /** @throws TemplateError where it cannot be read */
  constructor(source: string) {
    if (source.length > LONGEST_TEMPLATE)
      throw new TemplateError(`has ${source.length} characters, and at most ${LONGEST_TEMPLATE} are read`);
    const tokens = lex(source);
    try {
      this.#program = parse(tokens as unknown as Parameters<typeof parse>[0]) as unknown as Program;
    } catch (cause) {
      throw new TemplateError(`cannot be read (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
    }
  }

  /**
   * Renders it. @returns the text in pieces: the template's own, and what stands in messages
   * @throws TemplateError where it refuses, or where something is not known
   */
  render(names: Record<string, Value>): Piece[] {
    const budget = new Budget();
    const globals = new Scope(null);
    for (const [name, value] of Object.entries({ ...functions(), ...names })) globals.set(name, value);
    const out: Words[] = [];
    run(this.#program.body, new Scope(globals), budget, out);
    return pieces(Words.join(out));
  }
}

/** What a template can call. */
function functions(): Record<string, Value> {
  const all: Callable[] = [
    new Callable('raise_exception', ({ list: [message] }) => {
      throw new TemplateError(`it refuses: ${message === undefined ? '' : written(message).text}`);
    }),
    new Callable(
      'strftime_now',
      ({ list: [format] }) => new Words(strftime(words(format ?? null, 'strftime_now').text)),
    ),
    new Callable('namespace', ({ list, named }) => {
      if (list.length > 0) throw new TemplateError('namespace is given arguments without names');
      return new Namespace(named);
    }),
    new Callable('dict', ({ list, named }) => {
      if (list.length > 0) throw new TemplateError('dict is given arguments without names');
      return named;
    }),
    new Callable('range', ({ list }) => range(list.map((one) => integer(one, 'range')))),
  ];
  return Object.fromEntries(all.map((one) => [one.name, one]));
}

/** As in jinja2's sandbox. */
const LONGEST_RANGE = 100_000;

function range(given: number[]): number[] {
  const [start = 0, stop = 0, step = 1] = given.length < 2 ? [0, given[0]] : given;
  const size = step === 0 ? NaN : Math.max(0, Math.ceil((stop - start) / step));
  if (!(size <= LONGEST_RANGE)) throw new TemplateError(`range has more than ${LONGEST_RANGE} numbers, or steps by 0`);
  return Array.from({ length: size }, (_, i) => start + i * step);
}

/** How a loop's body ended. */
type Ended = 'break' | 'continue' | null;

function run(body: readonly Node[], scope: Scope, budget: Budget, out: Words[]): Ended {
  for (const node of body) {
    const ended = statement(node, scope, budget, out);
    if (ended) return ended;
  }
  return null;
}

function statement(node: Node, scope: Scope, budget: Budget, out: Words[]): Ended {
  budget.step();
  switch (node.type) {
    case 'Comment':
      return null;
    case 'If': {
      const body = truthy(evaluate(node.test, scope, budget)) ? node.body : node.alternate;
      return budget.nested(() => run(body, scope, budget, out));
    }
    case 'For':
      return budget.nested(() => loop(node, scope, budget, out));
    case 'Break':
      return 'break';
    case 'Continue':
      return 'continue';
    case 'Set':
      assign(node, scope, budget);
      return null;
    case 'Macro':
      scope.set(node.name.value, macro(node, scope, budget));
      return null;
    default:
      out.push(budget.made(written(evaluate(node, scope, budget))));
      return null;
  }
}

function assign(node: Node & { type: 'Set' }, scope: Scope, budget: Budget): void {
  const { assignee, value, body } = node;
  const held = value ? evaluate(value, scope, budget) : captured(body, scope, budget);
  if (assignee.type === 'MemberExpression') {
    const holder = evaluate(assignee.object, scope, budget);
    if (!(holder instanceof Namespace) || assignee.computed || assignee.property.type !== 'Identifier')
      throw new TemplateError(`only a namespace can be changed, not ${kindOf(holder)}`);
    holder.entries.set(assignee.property.value, held);
    return;
  }
  bind(assignee, held, scope);
}

function captured(body: readonly Node[], scope: Scope, budget: Budget): Words {
  const out: Words[] = [];
  run(body, new Scope(scope), budget, out);
  return budget.made(Words.join(out));
}

/** Gives a value to a name, or the items of a list to several. */
function bind(target: Node, value: Value, scope: Scope): void {
  if (target.type === 'Identifier') return scope.set(target.value, value);
  if (target.type !== 'TupleLiteral') throw new TemplateError(`a ${target.type} cannot be set`);
  const items = itemsOf(value, 'several names');
  if (items.length !== target.value.length) throw new TemplateError('several names are set to another number of items');
  target.value.forEach((one, i) => bind(one, items[i] as Value, scope));
}

function loop(node: Node & { type: 'For' }, scope: Scope, budget: Budget, out: Words[]): Ended {
  const { loopvar, iterable } = node;
  const select = iterable.type === 'SelectExpression' ? iterable : null;
  const all = evaluate(select ? select.lhs : iterable, scope, budget);
  const items = itemsOf(all, 'a loop').filter((item) => {
    if (!select) return true;
    const inner = new Scope(scope);
    bind(loopvar, item, inner);
    return truthy(evaluate(select.test, inner, budget));
  });
  if (items.length === 0) {
    run(node.defaultBlock, new Scope(scope), budget, out);
    return null;
  }
  for (const [i, item] of items.entries()) {
    budget.step();
    const inner = new Scope(scope);
    inner.set('loop', place(items, i));
    bind(loopvar, item, inner);
    if (run(node.body, inner, budget, out) === 'break') break;
  }
  return null;
}

function place(items: readonly Value[], index: number): Value {
  const size = items.length;
  return new Map<string, Value>([
    ['index', index + 1],
    ['index0', index],
    ['revindex', size - index],
    ['revindex0', size - index - 1],
    ['first', index === 0],
    ['last', index === size - 1],
    ['length', size],
    ['previtem', items[index - 1] ?? new Missing('loop.previtem')],
    ['nextitem', items[index + 1] ?? new Missing('loop.nextitem')],
  ]);
}

function macro(node: Node & { type: 'Macro' }, scope: Scope, budget: Budget): Callable {
  const { name, args, body } = node;
  return new Callable(name.value, ({ list, named }) =>
    budget.nested(() => {
      const inner = new Scope(scope);
      args.forEach((arg, i) => {
        const key = arg.type === 'KeywordArgumentExpression' ? arg.key.value : (arg as { value: string }).value;
        const given = list[i] ?? named.get(key);
        const otherwise = (): Value =>
          arg.type === 'KeywordArgumentExpression'
            ? (argumentsOf([arg], (one) => evaluate(one, inner, budget)).named.get(key) as Value)
            : new Missing(key);
        inner.set(key, i < list.length || named.has(key) ? (given ?? null) : otherwise());
      });
      if (list.length > args.length) throw new TemplateError(`${name.value} is given too much`);
      return captured(body, inner, budget);
    }),
  );
}

function pieces({ text, content }: Words): Piece[] {
  const result: Piece[] = [];
  for (let start = 0; start < text.length;) {
    const kind = content?.[start] === 1;
    let end = start + 1;
    while (end < text.length && (content?.[end] === 1) === kind) end++;
    result.push({ text: text.slice(start, end), content: kind });
    start = end;
  }
  return result;
}
