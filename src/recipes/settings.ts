/**
 * Settings stand once: a table, whose rows give the type, the defaults of presets, the form, the command line's `--set`, the differences
 * between runs and the link. A recipe's settings are the shared ones and those of its own table.
 */
import type { Accepts, Reader } from './readers';

export type Scalar = string | number | boolean;

/** A value that the form offers. */
export interface Step {
  value: Scalar;
  label?: string;
}

/** One setting. T is what it is in a configuration. */
export interface Setting<T> {
  reader: Reader<T>;
  /** For people, in a word or two. */
  label: string;
  /** What it does, in one line. */
  line: string;
  /** Its letter in the paper. */
  symbol?: string;
  /** The paper's value. */
  paper?: Scalar;
  /** Values that the form offers; absent = all choices, or a free value. */
  steps?: readonly Step[];
  /** Where the form shows it; absent = it has a place of its own there (model, task, seed), or none. */
  section?: 'main' | 'expert';
  /** Only tasks in words have it. */
  chat?: true;
  /** A configuration need not have it: then it is this; null = then there is none. */
  absent?: Scalar | null;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- rows have different types, and each is read by its own reader
export type SettingTable = Readonly<Record<string, Setting<any>>>;

type ValueOf<S> = S extends Setting<infer T> ? T : never;
/** Rows that are left out at a default, and rows that there need not be. */
type DefaultedKeys<T> = { [K in keyof T]: T[K] extends { absent: Scalar } ? K : never }[keyof T];
type MissingKeys<T> = { [K in keyof T]: T[K] extends { absent: null } ? K : never }[keyof T];
type RequiredKeys<T> = Exclude<keyof T, DefaultedKeys<T> | MissingKeys<T>>;
type Nested<K extends string, V> = K extends `${infer A}.${infer B}` ? { [P in A]: { [Q in B]: V } } : { [P in K]: V };
type NestedOptional<K extends string, V> = K extends `${infer A}.${infer B}`
  ? { [P in A]?: { [Q in B]?: V } }
  : { [P in K]?: V };
type Intersection<U> = (U extends unknown ? (x: U) => void : never) extends (x: infer I) => void ? I : never;
type Flat<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]: Flat<T[K]> } : T;
type Nest<T, K extends keyof T> = [K] extends [never]
  ? unknown
  : Intersection<{ [P in K & string]: Nested<P, ValueOf<T[P]>> }[K & string]>;
type NestOptional<T, K extends keyof T> = [K] extends [never]
  ? unknown
  : Intersection<{ [P in K & string]: NestedOptional<P, ValueOf<T[P]>> }[K & string]>;

/** The part of a configuration that a table describes: dotted keys nest, rows with `absent` are optional. */
export type SettingsOf<T extends SettingTable> = Flat<
  Nest<T, RequiredKeys<T>> & NestOptional<T, DefaultedKeys<T>> & Partial<Nest<T, MissingKeys<T>>>
>;

/** Numbers as steps. */
export function steps(...values: number[]): Step[] {
  return values.map((value) => ({ value }));
}

/** What a setting accepts, in words: "a whole number from 1 to 64". */
export function acceptsText(accepts: Accepts): string {
  switch (accepts.type) {
    case 'integer':
    case 'number': {
      const what = accepts.type === 'integer' ? 'a whole number' : 'a number';
      return `${what} ${accepts.above ? 'above' : 'from'} ${accepts.min} to ${accepts.max}${accepts.none ? ', or none' : ''}`;
    }
    case 'choice':
      return `one of ${accepts.choices.join(', ')}`;
    case 'list':
      return accepts.of === 'names' ? 'names, separated by commas' : `some of ${accepts.of.join(', ')}`;
    case 'flag':
      return 'true or false';
    case 'model':
      return 'a model, or none';
    case 'sha256':
      return 'a sha-256 in hexadecimal';
    default:
      return 'a name';
  }
}
