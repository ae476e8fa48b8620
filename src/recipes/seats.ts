/**
 * Which runtime answers for whom: the setting `seats`. A seat at the table (1, 2, …) or an agent by its id is given another runtime than
 * the engine; who is not named stays on the engine and learns. Written as text, so that a form, a command line and a link carry it alike:
 *
 *     2=transformers:arithmetic-0.4m          model in ONNX, by transformers.js
 *     2=transformers:stored:org/name@0f3c#webgpu/q4f16
 *     2=transformers:https://huggingface.co/org/name#webgpu/q4f16       of the hub, or of a mirror
 *     3=web-llm:Qwen2.5-0.5B-Instruct-q4f16_1-MLC                       model of its prebuilt list
 *     3=web-llm:https://huggingface.co/org/name#https://site/lib.wasm   model and library of one's own
 *     verifier=endpoint:http://127.0.0.1:8000/v1#qwen2.5-0.5b
 */
import { ConfigurationError } from './errors';
import type { Reader } from './readers';

export const RUNTIME_KINDS = ['transformers', 'web-llm', 'endpoint'] as const;
export type RuntimeKind = (typeof RUNTIME_KINDS)[number];

/** A runtime beside the engine, and what it plays. */
export interface RuntimeSpec {
  kind: RuntimeKind;
  /** As it is written: its name in the log. */
  name: string;
  /** Model folder, id in web-llm's list, or web address. */
  address: string;
  /** Behind '#': device and format, web-llm's library, name of the endpoint's model; '' = none. */
  option: string;
}

/** Who is played by what. */
export interface SeatedRuntime {
  /** From 0, as in the log; null where an agent is named. */
  seat: number | null;
  /** Id of an agent; null where a seat is named. */
  agent: string | null;
  runtime: RuntimeSpec;
}

/** For people. */
export const KIND_TITLES: Readonly<Record<RuntimeKind, string>> = {
  transformers: 'transformers.js',
  'web-llm': 'web-llm',
  endpoint: 'endpoint',
};

const LONGEST = 300;
const EXAMPLE = '2=transformers:arithmetic-0.4m or 2=endpoint:http://127.0.0.1:8000/v1#model';
/** Devices and formats that ONNX files are published in. */
const ONNX_OPTION = /^(wasm|webgpu)?(\/(fp32|fp16|q8|int8|uint8|q4|q4f16|bnb4))?$/;

/** Seats with their runtimes, as a list or as text with commas: each seat once, in order. */
export function seatList(): Reader<string[]> {
  return {
    accepts: { type: 'list', of: 'names' },
    read(key, value) {
      const list: unknown = typeof value === 'string' ? value.split(',').map((one) => one.trim()) : value;
      if (!Array.isArray(list) || list.length === 0)
        throw new ConfigurationError(key, `is no list of seats with their runtimes, for example ${EXAMPLE}`);
      const read = list.map((one) => readSeat(key, one));
      const names = read.map(({ who }) => who);
      const twice = names.find((name, at) => names.indexOf(name) !== at);
      if (twice !== undefined) throw new ConfigurationError(key, `${twice} is given two runtimes`);
      const numbered = (who: string) => (/^\d+$/.test(who) ? Number(who) : Infinity);
      return read
        .sort((a, b) => numbered(a.who) - numbered(b.who) || (a.who < b.who ? -1 : 1))
        .map(({ who, runtime }) => `${who}=${runtime.name}`);
    },
  };
}

/** The seats of a checked configuration; none = the engine plays all. */
export function seatedRuntimes({ seats = [] }: { seats?: readonly string[] }): SeatedRuntime[] {
  return seats.map((text) => {
    const { who, runtime } = readSeat('seats', text);
    const numbered = /^\d+$/.test(who);
    return { seat: numbered ? Number(who) - 1 : null, agent: numbered ? null : who, runtime };
  });
}

/** The runtimes that are named, each once. */
export function runtimesOf(config: { seats?: readonly string[] }): RuntimeSpec[] {
  const named = new Map(seatedRuntimes(config).map(({ runtime }) => [runtime.name, runtime]));
  return [...named.values()];
}

/** A site that a configuration's seats reach out to. */
export interface Contact {
  origin: string;
  /** It gets the prompts of its agents, or it is asked for files alone. */
  gets: 'prompts' | 'nothing';
}

/** Sites that the seats of a configuration reach out to, each once; nothing of them is asked before the visitor allows it. */
export function contactsOf(config: { seats?: readonly string[] }): Contact[] {
  const runtimes = runtimesOf(config);
  const prompted = new Set(runtimes.flatMap((spec) => (spec.kind === 'endpoint' ? [originOf(spec)] : [])));
  const files = new Set(runtimes.flatMap(filesFrom));
  return [
    ...Array.from(prompted, (origin): Contact => ({ origin, gets: 'prompts' })),
    ...Array.from(files, (origin): Contact => ({ origin, gets: 'nothing' })).filter(
      ({ origin }) => !prompted.has(origin),
    ),
  ];
}

/** A runtime in few words: what it is, and its model. @param name as logs and the setting have it */
export function runtimeTitle(name: string): string {
  try {
    const { kind, address, option } = readRuntime('seats', name);
    const model =
      kind === 'endpoint'
        ? option
        : (address
            .replace(/\/resolve\/.*$/, '')
            .split('/')
            .at(-1) ?? address);
    return `${KIND_TITLES[kind]}, ${model.replace(/^stored:/, '').replace(/@.*$/, '')}`;
  } catch {
    // A log from a later version.
    return name;
  }
}

/** Origins of `contactsOf`. */
export function serversOf(config: { seats?: readonly string[] }): string[] {
  return contactsOf(config).map(({ origin }) => origin);
}

/** The site that an endpoint's address leads to. */
export function originOf({ address }: Pick<RuntimeSpec, 'address'>): string {
  return new URL(address).origin;
}

/** Where the models of web-llm's prebuilt list come from. */
const HUB_ORIGIN = 'https://huggingface.co';
/** Where the libraries of web-llm's prebuilt list come from. */
const LIBRARY_ORIGIN = 'https://raw.githubusercontent.com';

/** Origins from which the files of a runtime's model come. What is stored already is not fetched again. */
export function filesFrom({ kind, address, option }: RuntimeSpec): string[] {
  if (kind === 'transformers') return isWebAddress(address) ? [new URL(address).origin] : [];
  if (kind !== 'web-llm') return [];
  if (option === '') return [HUB_ORIGIN, LIBRARY_ORIGIN];
  return [new URL(address).origin, new URL(option).origin];
}

/** Is a model named by a web address? */
export function isWebAddress(address: string): boolean {
  return /^https?:\/\//.test(address);
}

function readSeat(key: string, value: unknown): { who: string; runtime: RuntimeSpec } {
  const text = typeof value === 'string' ? value : '';
  const [, who = '', name = ''] = /^([^=\s]+)=(\S+)$/.exec(text) ?? [];
  const shown = JSON.stringify(text.slice(0, 60));
  if (name === '') throw new ConfigurationError(key, `${shown} is not SEAT=RUNTIME, for example ${EXAMPLE}`);
  if (text.length > LONGEST) throw new ConfigurationError(key, `${shown}… has more than ${LONGEST} characters`);
  if (/^0|^\d+\D/.test(who)) throw new ConfigurationError(key, `${who} is no seat; seats are numbered from 1`);
  return { who, runtime: readRuntime(key, name) };
}

/** @throws ConfigurationError for what is no runtime */
export function readRuntime(key: string, name: string): RuntimeSpec {
  const [, kind = '', rest = ''] = /^([a-z-]+):(.+)$/.exec(name) ?? [];
  if (!RUNTIME_KINDS.includes(kind as RuntimeKind))
    throw new ConfigurationError(
      key,
      `${JSON.stringify(kind || name)} is no runtime; there are ${RUNTIME_KINDS.join(', ')}, for example ${EXAMPLE}`,
    );
  const cut = rest.indexOf('#');
  const address = cut < 0 ? rest : rest.slice(0, cut);
  const option = cut < 0 ? '' : rest.slice(cut + 1);
  if (address === '') throw new ConfigurationError(key, `${name} names no model`);
  if (kind === 'endpoint')
    return { kind, name, address: checkedAddress(key, address), option: servedModel(key, option) };
  if (kind === 'transformers' && !ONNX_OPTION.test(option))
    throw new ConfigurationError(
      key,
      `"${option}" is not DEVICE/FORMAT: the device is wasm or webgpu, the format fp32, fp16, q8, int8, uint8, q4, q4f16 or bnb4`,
    );
  if (kind === 'transformers' && isWebAddress(address)) checkHubModel(key, address);
  if (kind === 'web-llm') checkWebLlm(key, address, option);
  return { kind: kind as RuntimeKind, name, address, option };
}

function checkHubModel(key: string, address: string): void {
  checkedAddress(key, address);
  if (/^\/[^/]+\/[^/]+(\/resolve\/[^/]+)?\/?$/.test(new URL(address).pathname)) return;
  throw new ConfigurationError(
    key,
    `${address} is not SITE/owner/name or SITE/owner/name/resolve/REVISION; the site is the hub, or a mirror that lists files with their hashes`,
  );
}

/** An id of the prebuilt list, or the two addresses of a record of one's own. */
function checkWebLlm(key: string, address: string, option: string): void {
  if (/^[A-Za-z0-9][\w.-]*$/.test(address)) {
    if (option === '') return;
    throw new ConfigurationError(
      key,
      `${address} is a model of web-llm's own list, which knows its library; leave #… out`,
    );
  }
  checkHubModel(key, address);
  if (option === '')
    throw new ConfigurationError(
      key,
      `${address} needs the address of its library behind #, as in ${address}#https://site/model-webgpu.wasm`,
    );
  checkedAddress(key, option);
}

/** A name in an address, or a key in it, would be kept in logs and links. */
function checkedAddress(key: string, text: string): string {
  let address: URL;
  try {
    address = new URL(text);
  } catch {
    throw new ConfigurationError(key, `${text} is no address; it begins with https:// or http://`);
  }
  if (address.protocol !== 'https:' && address.protocol !== 'http:')
    throw new ConfigurationError(
      key,
      `${text} begins with ${address.protocol}; addresses begin with https:// or http://`,
    );
  if (address.username !== '' || address.password !== '' || address.search !== '')
    throw new ConfigurationError(
      key,
      `${address.origin}${address.pathname} carries a name, a password or a query, which logs and links would keep; give the address without them`,
    );
  return text.replace(/\/+$/, '');
}

function servedModel(key: string, option: string): string {
  if (option === '') throw new ConfigurationError(key, 'an endpoint needs the name of its model behind #: …/v1#model');
  return option;
}
