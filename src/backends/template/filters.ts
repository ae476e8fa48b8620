/** Filters and tests of templates, as jinja2 has them. */
import { TemplateError } from './lexer';
import { capitalize, lower, replace, strip, title, toJson, upper } from './methods';
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

const named = ({ list, named: by }: Arguments, index: number, name: string): Value | undefined =>
  by.get(name) ?? list[index];

export const FILTERS: Record<string, (value: Value, given: Arguments) => Value> = {
  trim: (value, given) => strip(written(value), named(given, 0, 'chars'), true, true),
  length: length,
  count: length,
  upper: (value) => upper(written(value)),
  lower: (value) => lower(written(value)),
  title: (value) => title(written(value)),
  capitalize: (value) => capitalize(written(value)),
  string: (value) => written(value),
  safe: (value) => written(value),
  list: (value) => [...itemsOf(value, 'list')],
  items: (value) => (value instanceof Map ? [...value].map(([key, one]) => [new Words(key), one]) : []),
  first: (value) => itemsOf(value, 'first')[0] ?? new Missing('the first of nothing'),
  last: (value) => itemsOf(value, 'last').at(-1) ?? new Missing('the last of nothing'),
  reverse: (value) => itemsOf(value, 'reverse').toReversed(),
  default: fallback,
  d: fallback,
  int: (value) => {
    const number = value instanceof Words ? Number(value.text.trim() || NaN) : integer(value, 'int');
    return Number.isSafeInteger(number) ? number : 0;
  },
  join(value, given) {
    const between = words(named(given, 0, 'd') ?? new Words(''), 'join');
    return Words.join(itemsOf(value, 'join').flatMap((one, i) => (i === 0 ? [written(one)] : [between, written(one)])));
  },
  replace: (value, given) => replace(written(value), named(given, 0, 'old'), named(given, 1, 'new')),
  tojson(value, given) {
    const indent = named(given, 0, 'indent');
    const width = indent === undefined || indent === null ? null : integer(indent, 'tojson');
    if (width !== null && (width < 0 || width > 16)) throw new TemplateError(`tojson indents by ${width}`);
    return toJson(value, width);
  },
  selectattr: (value, given) => selected(value, given, true),
  rejectattr: (value, given) => selected(value, given, false),
  map(value, given) {
    const attribute = given.named.get('attribute');
    if (!attribute) throw new TemplateError('map is known with attribute=… only');
    const name = words(attribute, 'map').text;
    return itemsOf(value, 'map').map((one) => (one instanceof Map ? one.get(name) : undefined) ?? new Missing(name));
  },
};

function length(value: Value): number {
  return value instanceof Words ? Array.from(value.text).length : itemsOf(value, 'length').length;
}

function fallback(value: Value, given: Arguments): Value {
  const otherwise = named(given, 0, 'default_value') ?? new Words('');
  const also = truthy(named(given, 1, 'boolean') ?? false);
  return value instanceof Missing || (also && !truthy(value)) ? otherwise : value;
}

function selected(value: Value, { list }: Arguments, keep: boolean): Value {
  const [attribute, test, than] = list;
  const name = words(attribute ?? null, 'selectattr').text;
  const kind = test === undefined ? 'truthy' : words(test, 'selectattr').text;
  return itemsOf(value, 'selectattr').filter((one) => {
    const held = (one instanceof Map ? one.get(name) : undefined) ?? new Missing(name);
    const passes =
      kind === 'truthy'
        ? truthy(held)
        : ['equalto', '==', 'eq'].includes(kind) && than !== undefined
          ? equal(held, than)
          : isTrue(kind, held);
    return passes === keep;
  });
}

/** @throws TemplateError for a test that is not known */
export function isTrue(test: string, value: Value): boolean {
  switch (test) {
    case 'defined':
      return !(value instanceof Missing);
    case 'undefined':
      return value instanceof Missing;
    case 'none':
      return value === null;
    case 'string':
      return value instanceof Words;
    case 'mapping':
      return value instanceof Map;
    case 'sequence':
      return Array.isArray(value) || value instanceof Words || value instanceof Map;
    case 'iterable':
      return Array.isArray(value) || value instanceof Words || value instanceof Map || value instanceof Missing;
    case 'boolean':
      return typeof value === 'boolean';
    case 'true':
      return value === true;
    case 'false':
      return value === false;
    case 'number':
      return typeof value === 'number' || typeof value === 'boolean';
    case 'integer':
      return typeof value === 'number' && Number.isSafeInteger(value);
    case 'odd':
      return Math.abs(integer(value, test) % 2) === 1;
    case 'even':
      return integer(value, test) % 2 === 0;
    case 'callable':
      return value instanceof Callable || value instanceof Namespace;
    default:
      throw new TemplateError(`"is ${test}" is a test that is not known here (of ${kindOf(value)})`);
  }
}
