/** Expressions of a template. Every step is counted: a template that goes on for ever is refused, at the same step everywhere. */
import { FILTERS, isTrue } from './filters';
import { TemplateError, TooMuchError } from './lexer';
import { method } from './methods';
import type { Node, Program } from './nodes';
import {
  Callable,
  equal,
  integer,
  itemsOf,
  kindOf,
  Missing,
  Namespace,
  truthy,
  Words,
  words,
  written,
  type Arguments,
  type Value,
} from './values';

/** Nodes that one rendering may visit. */
export const MOST_STEPS = 300_000;
/** Characters that one rendering may make, everything that is thrown away included. */
export const MOST_CHARACTERS = 50_000_000;
const DEEPEST = 200;
/** Characters that an item of a list counts for. */
const ITEM = 10;

/** Names in reach; a loop's are its own. */
export class Scope {
  readonly #names = new Map<string, Value>();
  constructor(private readonly outer: Scope | null) {}

  get(name: string): Value | undefined {
    return this.#names.get(name) ?? (this.#names.has(name) ? null : this.outer?.get(name));
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value);
  }
}

/** What one rendering has used. */
export class Budget {
  #steps = 0;
  #characters = 0;
  #depth = 0;

  step(): void {
    if (++this.#steps > MOST_STEPS) throw new TooMuchError(`takes more than ${MOST_STEPS} steps`);
  }

  /** A list of so many items; each takes the room of some characters. */
  held(items: number): void {
    this.#use(items * ITEM);
  }

  made(words: Words): Words {
    this.#use(words.text.length);
    return words;
  }

  #use(characters: number): void {
    this.#characters += characters;
    if (this.#characters > MOST_CHARACTERS) throw new TooMuchError(`makes more than ${MOST_CHARACTERS} characters`);
  }

  nested<T>(work: () => T): T {
    if (++this.#depth > DEEPEST) throw new TemplateError(`is nested deeper than ${DEEPEST}`);
    try {
      return work();
    } finally {
      this.#depth--;
    }
  }
}

export function evaluate(node: Node, scope: Scope, budget: Budget): Value {
  budget.step();
  return budget.nested(() => {
    const value = valueOf(node, scope, budget);
    if (Array.isArray(value)) budget.held(value.length);
    return value instanceof Words ? budget.made(value) : value;
  });
}

const CONSTANTS: Record<string, Value> = { true: true, True: true, false: false, False: false, none: null, None: null };

function valueOf(node: Node, scope: Scope, budget: Budget): Value {
  const of = (inner: Node): Value => evaluate(inner, scope, budget);
  switch (node.type) {
    case 'IntegerLiteral':
    case 'FloatLiteral':
      return node.value;
    case 'StringLiteral':
      return new Words(node.value);
    case 'ArrayLiteral':
    case 'TupleLiteral':
      return node.value.map(of);
    case 'ObjectLiteral':
      return new Map([...node.value].map(([key, value]) => [words(of(key), 'a mapping').text, of(value)]));
    case 'Identifier':
      return Object.hasOwn(CONSTANTS, node.value)
        ? (CONSTANTS[node.value] as Value)
        : (scope.get(node.value) ?? (scope.get(node.value) === null ? null : new Missing(node.value)));
    case 'MemberExpression':
      return member(node, of);
    case 'CallExpression': {
      const callee = of(node.callee);
      if (!(callee instanceof Callable)) throw new TemplateError(`${kindOf(callee)} cannot be called`);
      return callee.call(argumentsOf(node.args, of));
    }
    case 'FilterExpression': {
      const { filter } = node;
      const name =
        filter.type === 'CallExpression' ? (filter.callee as Program & { value: string }).value : filter.value;
      const call = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined;
      if (!call) throw new TemplateError(`"${name}" is a filter that is not known here`);
      return call(of(node.operand), argumentsOf(filter.type === 'CallExpression' ? filter.args : [], of));
    }
    case 'TestExpression':
      return isTrue(node.test.value, of(node.operand)) !== node.negate;
    case 'UnaryExpression': {
      const value = of(node.argument);
      if (node.operator.value === 'not') return !truthy(value);
      return node.operator.value === '-' ? -integer(value, '-') : integer(value, '+');
    }
    case 'BinaryExpression':
      return binary(node.operator.value, node.left, node.right, of);
    case 'Ternary':
      return of(truthy(of(node.condition)) ? node.trueExpr : node.falseExpr);
    case 'SelectExpression':
      return truthy(of(node.test)) ? of(node.lhs) : new Missing('a choice without else');
    default:
      throw new TemplateError(`a ${node.type} is not known here`);
  }
}

export function argumentsOf(args: readonly Node[], of: (node: Node) => Value): Arguments {
  const given: Arguments = { list: [], named: new Map() };
  for (const arg of args) {
    if (arg.type === 'KeywordArgumentExpression') given.named.set(arg.key.value, of(arg.value));
    else given.list.push(of(arg));
  }
  return given;
}

function member({ object, property, computed }: Node & { type: 'MemberExpression' }, of: (node: Node) => Value): Value {
  const holder = of(object);
  if (holder instanceof Missing) throw new TemplateError(`${holder.name} is not defined`);
  if (computed && property.type === 'SliceExpression')
    return slice(holder, [property.start, property.stop, property.step], of);
  const key = computed ? of(property) : property.type === 'Identifier' ? new Words(property.value) : of(property);
  if (typeof key === 'number') return element(holder, key);
  const name = words(key, 'a name').text;
  const found = computed ? entry(holder, name) : (method(holder, name) ?? entry(holder, name));
  return found ?? (computed ? method(holder, name) : null) ?? (hasEntry(holder, name) ? null : new Missing(name));
}

const entriesOf = (holder: Value): Map<string, Value> | null =>
  holder instanceof Namespace ? holder.entries : holder instanceof Map ? holder : null;
const entry = (holder: Value, name: string): Value | undefined => entriesOf(holder)?.get(name);
const hasEntry = (holder: Value, name: string): boolean => entriesOf(holder)?.has(name) ?? false;

function element(holder: Value, index: number): Value {
  const items = itemsOf(holder, 'an index');
  return items.at(index) ?? (index < items.length && index >= -items.length ? null : new Missing(`item ${index}`));
}

function slice(holder: Value, bounds: (Node | undefined)[], of: (node: Node) => Value): Value {
  const items = itemsOf(holder, 'a slice');
  const [start, stop, step = 1] = bounds.map((bound) => {
    const value = bound && of(bound);
    return value === undefined || value === null ? undefined : integer(value, 'a slice');
  });
  if (step === 0) throw new TemplateError('a slice steps by 0');
  const size = items.length;
  const clamp = (index: number): number => {
    const from = index < 0 ? index + size : index;
    return step > 0 ? Math.min(Math.max(from, 0), size) : Math.min(Math.max(from, -1), size - 1);
  };
  const first = start === undefined ? (step > 0 ? 0 : size - 1) : clamp(start);
  const end = stop === undefined ? (step > 0 ? size : -1) : clamp(stop);
  const taken: Value[] = [];
  for (let i = first; step > 0 ? i < end : i > end; i += step) taken.push(items[i] as Value);
  return holder instanceof Words ? Words.join(taken as Words[]) : taken;
}

const COMPARISONS = ['==', '!=', '<', '>', '<=', '>=', 'in', 'not in'];

function binary(operator: string, left: Node, right: Node, of: (node: Node) => Value): Value {
  if (operator === 'and' || operator === 'or') {
    const first = of(left);
    return truthy(first) === (operator === 'and') ? of(right) : first;
  }
  if (COMPARISONS.includes(operator) && left.type === 'BinaryExpression' && COMPARISONS.includes(left.operator.value))
    throw new TemplateError('comparisons in a row are not known here');
  const [a, b] = [of(left), of(right)];
  switch (operator) {
    case '==':
      return equal(a, b);
    case '!=':
      return !equal(a, b);
    case 'in':
      return holds(b, a);
    case 'not in':
      return !holds(b, a);
    case '~':
      return Words.join([written(a), written(b)]);
    case '+':
      return sum(a, b);
    default:
      return arithmetic(operator, a, b);
  }
}

function holds(holder: Value, part: Value): boolean {
  if (holder instanceof Words) return holder.text.includes(words(part, 'in').text);
  if (holder instanceof Map) return part instanceof Words && holder.has(part.text);
  return itemsOf(holder, 'in').some((one) => equal(one, part));
}

function sum(a: Value, b: Value): Value {
  if (a instanceof Words || b instanceof Words) return Words.join([words(a, '+'), words(b, '+')]);
  if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
  return integer(a, '+') + integer(b, '+');
}

function arithmetic(operator: string, a: Value, b: Value): Value {
  if (
    (operator === '<' || operator === '>' || operator === '<=' || operator === '>=') &&
    a instanceof Words &&
    b instanceof Words
  )
    throw new TemplateError('texts are not ordered here');
  const [x, y] = [integer(a, operator), integer(b, operator)];
  switch (operator) {
    case '<':
      return x < y;
    case '>':
      return x > y;
    case '<=':
      return x <= y;
    case '>=':
      return x >= y;
    case '-':
      return x - y;
    case '*':
      return x * y;
    case '//':
    case '%': {
      if (y === 0) throw new TemplateError('division by 0');
      const floor = Math.floor(x / y);
      return operator === '//' ? floor : x - floor * y;
    }
    default:
      throw new TemplateError(`"${operator}" is not known here`);
  }
}
