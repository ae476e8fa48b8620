/**
 * A link that repeats an experiment: recipe and preset at a revision, what differs from the preset, the model's hash, the engine, and
 * optionally what came out (`Receipt`).
 *
 * Form: `#1` and base64url of a check (the first four bytes of the sha-256 of what follows) and the deflated payload. The first character
 * is the version of the form: it stands outside the compressed part, so that a program can say of a newer link that it is newer.
 * The payload is canonical JSON, a list with fixed places. Old versions are read for ever (tests/share/goldenLinks.ts).
 *
 * Reading a link starts nothing. Whatever it holds is checked against one schema, and its settings against the recipe's table.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { deflateSync, strFromU8 } from 'fflate';
import * as v from 'valibot';
import { EXACT_ARITHMETIC } from '../engine/describe';
import type { Revision, RunStarted } from '../events';
import { canonicalJson } from '../log/canonical';
import type { RunConfig } from '../recipes/config';
import { ConfigurationError } from '../recipes/errors';
import { recipeNamed } from '../recipes/index';
import { differences, resolveConfig, settingKeys, settingOf } from '../recipes/resolve';
import type { Scalar } from '../recipes/settings';
import { taskNamed } from '../tasks';
import { base64UrlToHex, fromBase64Url, hexToBase64Url, toBase64Url } from './base64url';
import { LinkError, LinkTooLongError } from './errors';
import { inflateBounded } from './inflate';
import { ITERATION_BYTES, type Receipt } from '../log/receipt';

/** Version of the form that is written. */
export const LINK_VERSION = '1';

/** Characters of an address that arrives whole everywhere, those of `SITE_ROOM` included. */
export const LONGEST_LINK = 2000;

/** Characters that a site's own address may take of them. */
const SITE_ROOM = 80;

/** Characters of a fragment that is read at all. */
const LONGEST_READ = 8192;

/** Bytes of a payload. */
const LONGEST_PAYLOAD = 65536;

const CHECK_BYTES = 4;

/** A model without weight files of its own has another name for a hash, and a link leaves it out. */
const SHA256 = /^[0-9a-f]{64}$/;

/** The engine that an experiment ran on. Its digest can be repeated on the exact engine only. */
export interface LinkEngine {
  /** As the log names it. */
  name: string;
  arithmetic: number;
}

/** What a link says. */
export interface Link {
  recipe: Revision;
  preset: Revision;
  task: Revision;
  /** Dotted key → value, as `--set` takes it: what differs from the preset. */
  changes: Record<string, Scalar>;
  /** sha-256 of the model's weights, hex; null where the sender had not loaded it. */
  modelHash: string | null;
  /** Null where the experiment was not run. */
  engine: LinkEngine | null;
  receipt: Receipt | null;
}

/** A link that was read. */
export interface OpenedLink {
  link: Link;
  /** The experiment's settings; null where this build lacks what they stand on. */
  config: RunConfig | null;
  /** What this build lacks for the same run, in sentences. */
  missing: string[];
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const short = v.pipe(v.string(), v.minLength(1), v.maxLength(200));
const scalar = v.union([v.pipe(v.string(), v.maxLength(2000)), v.pipe(v.number(), v.finite()), v.boolean()]);
const bytes = (length: number) =>
  v.pipe(
    v.string(),
    v.check((text) => base64UrlToHex(text)?.length === 2 * length),
  );
const digest = bytes(32);

const receiptSchema = v.strictTuple([
  digest,
  digest,
  count,
  v.pipe(v.array(bytes(ITERATION_BYTES)), v.maxLength(1001)),
  v.pipe(
    v.array(v.strictTuple([short, count, v.pipe(v.array(v.nullable(count)), v.maxLength(1001))])),
    v.maxLength(100),
  ),
]);

const payloadSchema = v.strictTuple([
  short, // recipe
  count,
  short, // preset
  count,
  short, // task
  count,
  v.array(v.strictTuple([short, scalar])), // changes
  v.nullable(digest), // model
  v.nullable(v.strictTuple([short, count])), // engine
  v.nullable(receiptSchema),
]);
type Payload = v.InferOutput<typeof payloadSchema>;

/**
 * What a link says of a configuration.
 * @param run the start of its log, and what came out, where it was run
 */
export function linkOf(config: RunConfig, run: { started?: RunStarted; receipt?: Receipt } = {}): Link {
  const recipe = recipeNamed(config.recipe);
  const { started, receipt } = run;
  return {
    recipe: started?.recipe ?? { id: recipe.id, revision: recipe.revision },
    preset: started?.preset ?? { id: config.preset, revision: recipe.presets[config.preset]?.revision ?? 0 },
    task: started?.task ?? { id: config.task, revision: taskNamed(config.task).revision },
    changes: changesOf(config),
    modelHash: started && SHA256.test(started.model.hash) ? started.model.hash : null,
    engine: started ? { name: started.engine, arithmetic: started.arithmetic } : null,
    receipt: receipt ?? null,
  };
}

/** What differs from the preset, or every setting where the differences alone give another configuration. */
function changesOf(config: RunConfig): Record<string, Scalar> {
  const few = scalars(differences(config));
  if (isSame(few, config)) return few;
  const all = scalars(
    Object.fromEntries(
      settingKeys(recipeNamed(config.recipe)).flatMap((key) => {
        const value = settingOf(config, key);
        return value === undefined ? [] : [[key, value]];
      }),
    ),
  );
  if (isSame(all, config)) return all;
  throw new LinkError('its settings cannot be written as differences from the preset; share the bundle');
}

function isSame(changes: Record<string, Scalar>, config: RunConfig): boolean {
  try {
    return canonicalJson(resolveConfig(config.preset, changes, config.recipe)) === canonicalJson(config);
  } catch (error) {
    if (error instanceof ConfigurationError) return false;
    throw error;
  }
}

/** Values as `--set` reads them: lists with commas, `none` for none. */
function scalars(values: Record<string, unknown>): Record<string, Scalar> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => {
      if (Array.isArray(value)) return [key, value.join(',')];
      return [key, value === null ? 'none' : (value as Scalar)];
    }),
  );
}

/**
 * The fragment of a link, `#` included.
 * @throws LinkTooLongError where it would not arrive everywhere; it names the settings that take the most room
 */
export function encodeLink(link: Link): string {
  const { recipe, preset, task, changes, modelHash, engine, receipt } = link;
  const payload: Payload = [
    recipe.id,
    recipe.revision,
    preset.id,
    preset.revision,
    task.id,
    task.revision,
    Object.entries(changes),
    modelHash && hexToBase64Url(modelHash),
    engine && [engine.name, engine.arithmetic],
    receipt && [
      hexToBase64Url(receipt.digest),
      hexToBase64Url(receipt.discreteDigest),
      receipt.events,
      receipt.iterations.map(hexToBase64Url),
      receipt.scores.map(({ method, n, right }) => [method, n, right]),
    ],
  ];
  const packed = deflateSync(utf8ToBytes(canonicalJson(payload)), { level: 9 });
  const fragment = `#${LINK_VERSION}${toBase64Url(Uint8Array.of(...checkOf(packed), ...packed))}`;
  if (fragment.length <= LONGEST_LINK - SITE_ROOM) return fragment;
  throw new LinkTooLongError(
    `The link would be ${fragment.length} characters long, and ${LONGEST_LINK - SITE_ROOM} arrive everywhere. ${tooLongBy(link)}`,
  );
}

function tooLongBy({ changes, receipt }: Link): string {
  const longest = Object.entries(changes)
    .map(([key, value]) => ({ key, size: key.length + String(value).length }))
    .sort((a, b) => b.size - a.size)[0];
  const iterations = receipt?.iterations.length ?? 0;
  if (iterations > 20 && (longest?.size ?? 0) < 13 * iterations)
    return `The results of ${iterations} iterations take the most room: share the link without them, or the bundle.`;
  return `The setting ${longest?.key ?? ''} takes the most room: share the bundle.`;
}

/**
 * Reads a link.
 * @param text an address, its fragment, or the fragment without `#`
 * @throws LinkError for anything that is not a whole link of a known version
 */
export function decodeLink(text: string): OpenedLink {
  const fragment = text.trim().slice(text.trim().indexOf('#') + 1);
  const version = fragment[0] ?? '';
  if (version === '') throw new LinkError('it holds nothing behind its address');
  if (fragment.length > LONGEST_READ)
    throw new LinkError(`it is ${fragment.length} characters long, ${LONGEST_READ} are read`);
  if (/^[2-9]$/.test(version))
    throw new LinkError(
      `it has version ${version}, and this build reads version ${LINK_VERSION}. Open it with a newer one`,
    );
  if (version !== LINK_VERSION) throw new LinkError('it does not begin with the version of a link');
  const link = linkIn(parsed(payloadIn(fragment.slice(1))));
  return { link, ...resolved(link) };
}

function payloadIn(digits: string): string {
  if (/[^\w-]/.test(digits)) throw new LinkError('it holds a character that no link has. Copy it again, as a whole');
  const bytes = fromBase64Url(digits) ?? new Uint8Array();
  const packed = bytes.subarray(CHECK_BYTES);
  if (packed.length === 0 || checkOf(packed).some((byte, index) => byte !== bytes[index]))
    throw new LinkError('a part of it is missing or was changed. Copy it again, as a whole');
  const payload = inflateBounded(packed, LONGEST_PAYLOAD);
  if (!payload) throw new LinkError(`it does not unpack to at most ${LONGEST_PAYLOAD} bytes`);
  return strFromU8(payload);
}

function checkOf(packed: Uint8Array): Uint8Array {
  return sha256(packed).subarray(0, CHECK_BYTES);
}

function parsed(text: string): Payload {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new LinkError('it holds no settings');
  }
  const result = v.safeParse(payloadSchema, value, { abortEarly: true });
  if (result.success) return result.output;
  const place = result.issues[0].path?.map(({ key }) => String(key)).join('.') ?? '';
  throw new LinkError(`its part ${place || '0'} is not what a link holds there`);
}

function linkIn(payload: Payload): Link {
  const [recipe, recipeAt, preset, presetAt, task, taskAt, changes, modelHash, engine, receipt] = payload;
  const seen = new Set(changes.map(([key]) => key));
  if (seen.size !== changes.length) throw new LinkError('it sets a setting twice');
  return {
    recipe: { id: recipe, revision: recipeAt },
    preset: { id: preset, revision: presetAt },
    task: { id: task, revision: taskAt },
    changes: Object.fromEntries(changes),
    modelHash: modelHash && base64UrlToHex(modelHash),
    engine: engine && { name: engine[0], arithmetic: engine[1] },
    receipt: receipt && {
      digest: base64UrlToHex(receipt[0]) as string,
      discreteDigest: base64UrlToHex(receipt[1]) as string,
      events: receipt[2],
      iterations: receipt[3].map((text) => base64UrlToHex(text) as string),
      scores: receipt[4].map(([method, n, right]) => ({ method, n, right })),
    },
  };
}

/** The settings as this build resolves them, and what it lacks. @throws LinkError for settings that the recipe refuses */
function resolved({ recipe, preset, task, changes, engine }: Link): Omit<OpenedLink, 'link'> {
  const missing: string[] = [];
  try {
    const known = recipeNamed(recipe.id);
    const start = Object.hasOwn(known.presets, preset.id) ? known.presets[preset.id] : undefined;
    if (!start || start.revision !== preset.revision) {
      missing.push(
        `This build has ${start ? `revision ${start.revision}` : 'no preset'} ${start ? 'of' : 'named'} ${preset.id}, and the link was made with revision ${preset.revision}.`,
      );
      return { config: null, missing };
    }
    const config = resolveConfig(preset.id, changes, recipe.id);
    if (config.task !== task.id) throw new LinkError(`it names the task ${task.id}, and its settings ${config.task}`);
    const has = taskNamed(config.task).revision;
    if (known.revision !== recipe.revision)
      missing.push(
        `The link was made with revision ${recipe.revision} of ${recipe.id}; this build has ${known.revision}. Results may differ.`,
      );
    if (has !== task.revision)
      missing.push(
        `The link was made with revision ${task.revision} of the task ${task.id}; this build has ${has}. Problems may differ.`,
      );
    if (engine && isExact(engine) && !sameBitsHere(engine))
      missing.push(
        `The link was made with arithmetic ${engine.arithmetic} of the exact engine; this build has ${EXACT_ARITHMETIC}. The last bits may differ.`,
      );
    return { config, missing };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    if (error.key !== 'recipe') throw new LinkError(error.message);
    return { config: null, missing: [`This build has no recipe named ${recipe.id}.`] };
  }
}

/** Would it come out the same here, to the last digit, on the exact engine? */
export function sameBitsHere(engine: LinkEngine): boolean {
  return isExact(engine) && engine.arithmetic === EXACT_ARITHMETIC;
}

/** Did it run where everybody gets the same bits? */
export function isExact({ name }: Pick<LinkEngine, 'name'>): boolean {
  return name.startsWith('exact:');
}
