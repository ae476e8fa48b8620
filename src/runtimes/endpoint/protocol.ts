/** Chat completions as servers speak them: what is asked, and what may come back. Everything that comes is checked here. */
import * as v from 'valibot';
import type { ChatMessage } from '../../tasks/types';
import type { Sampling } from '../types';

export interface ChatRequest {
  model: string;
  messages: readonly ChatMessage[];
  sampling: Sampling;
  seed: number;
  logprobs: boolean;
}

/** What an answer has become so far. */
export interface Completion {
  model: string | null;
  fingerprint: string | null;
  text: string;
  logprobs: number[] | null;
  finish: 'stop' | 'length' | null;
  /** As the server counted; null where it did not. */
  tokens: number | null;
  /** Pieces of text. */
  parts: number;
}

/** What came is no answer of the protocol. */
export class ProtocolError extends Error {}
/** The server said in its answer that it failed. */
export class SaidError extends Error {}

const logprobs = v.nullish(
  v.object({ content: v.nullish(v.array(v.object({ logprob: v.pipe(v.number(), v.maxValue(0.001)) }))) }),
);
const choice = {
  index: v.optional(v.number()),
  finish_reason: v.nullish(v.string()),
  logprobs,
};
const said = v.object({ content: v.nullish(v.string()) });
const completion = v.object({
  model: v.nullish(v.pipe(v.string(), v.maxLength(300))),
  system_fingerprint: v.nullish(v.pipe(v.string(), v.maxLength(200))),
  choices: v.array(v.object({ ...choice, delta: v.optional(said), message: v.optional(said) })),
  usage: v.nullish(v.object({ completion_tokens: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))) })),
});
const failed = v.object({ error: v.union([v.string(), v.object({ message: v.optional(v.string()) })]) });

/** The body of a request. Servers that stream are asked to. */
export function bodyOf({ model, messages, sampling, seed, logprobs: wanted }: ChatRequest): string {
  const { temperature, topP, topK, maxTokens } = sampling;
  return JSON.stringify({
    model,
    messages,
    temperature,
    top_p: topP,
    // No part of OpenAI's protocol, and of most servers': sent only where it changes something.
    ...(topK > 0 && { top_k: topK }),
    max_tokens: maxTokens,
    seed,
    ...(wanted && { logprobs: true }),
    stream: true,
    stream_options: { include_usage: true },
  });
}

export function emptyCompletion(): Completion {
  return { model: null, fingerprint: null, text: '', logprobs: null, finish: null, tokens: null, parts: 0 };
}

/**
 * Adds a piece of an answer, or a whole one.
 * @throws ProtocolError, SaidError
 */
export function addPiece(so: Completion, json: string): void {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new ProtocolError(`it is not JSON: ${shown(json)}`);
  }
  const error = v.safeParse(failed, value);
  if (error.success) {
    const { error: what } = error.output;
    throw new SaidError(typeof what === 'string' ? what : (what.message ?? 'no reason given'));
  }
  const read = v.safeParse(completion, value, { abortEarly: true });
  if (!read.success) {
    const place = read.issues[0].path?.map(({ key }) => String(key)).join('.') ?? '';
    throw new ProtocolError(
      `${place === '' ? 'it' : `its field ${place}`} is not what the protocol has there: ${shown(json)}`,
    );
  }
  const { model, system_fingerprint: fingerprint, choices, usage } = read.output;
  if (model) so.model = model;
  if (fingerprint) so.fingerprint = fingerprint;
  if (usage?.completion_tokens !== undefined) so.tokens = usage.completion_tokens;
  const [first] = choices;
  if (!first) return;
  const text = first.delta?.content ?? first.message?.content ?? '';
  so.text += text;
  if (text !== '') so.parts++;
  for (const { logprob } of first.logprobs?.content ?? []) (so.logprobs ??= []).push(Math.min(0, logprob));
  if (typeof first.finish_reason === 'string') so.finish = finishOf(first.finish_reason);
}

function finishOf(reason: string): 'stop' | 'length' {
  if (reason === 'stop' || reason === 'length') return reason;
  throw new ProtocolError(`it ended with "${reason.slice(0, 60)}", and only stop and length make a response`);
}

/** Is an answering model the one that was asked? A server may add a date or a tag to the name. */
export function isAsked(asked: string, answered: string): boolean {
  if (answered === asked) return true;
  return answered.startsWith(asked) && /^([-@:](\d[\w.-]*|latest))$/.test(answered.slice(asked.length));
}

function shown(text: string): string {
  return text.length <= 120 ? text : `${text.slice(0, 120)}…`;
}
