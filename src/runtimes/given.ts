/** Responses that are given instead of sampled: what a model makes of each of their tokens (teacher forcing). */
import type { Engine, GenerateRequest, StreamKey } from '../engine/types';
import { MARGIN_SCALE } from '../pack';
import type { Answer } from './types';

export interface Given {
  /** Prompt and response. */
  ids: number[];
  /** Where the response begins, above 0. */
  start: number;
  /** The response did not fit. */
  cut: boolean;
  text: string;
  adapter: string | null;
  key: StreamKey;
}

/** A token above this log-probability is the most probable one, rounding included: more than half of the mass is its own. */
const SURELY_FIRST = Math.log(0.5) + 1e-3;
/** Least that the log shows of a margin below 0. */
export const SMALLEST_MARGIN = -1 / MARGIN_SCALE;

/**
 * Answers as if the model had sampled exactly these tokens. Margins are those of `Question.given`: 0 where the token is the most probable
 * one, else log p(token) − log p(most probable). A token with at most half of the mass is compared with what greedy decoding writes at its
 * place, so every engine that generates and scores can do it, and no logits leave the device.
 */
export async function readGiven(engine: Engine, given: readonly Given[], signal?: AbortSignal): Promise<Answer[]> {
  if (given.length === 0) return [];
  const whole = given.filter(({ ids, start }) => ids.length > start);
  const scored = whole.length > 0 ? await engine.score(whole.map(({ ids, adapter }) => ({ ids, adapter }))) : [];
  const answers = whole.map(
    ({ ids, start, cut, text }, row): Required<Omit<Answer, 'shortened' | 'runtime' | 'seed'>> => ({
      text,
      finish: cut ? 'length' : 'stop',
      tokens: ids.length - start,
      ids: ids.slice(start),
      // scored[row][t] belongs to ids[t + 1].
      logprobs: Array.from((scored[row] as Float32Array).subarray(start - 1)),
      margins: ids.slice(start).map(() => 0),
    }),
  );
  const unsure = answers.flatMap(({ logprobs }, row) =>
    logprobs.flatMap((logprob, at) => (logprob > SURELY_FIRST ? [] : [{ row, at }])),
  );
  const requests = unsure.map(({ row, at }): GenerateRequest => {
    const { ids, start, adapter, key } = whole[row] as Given;
    const sampling = { temperature: 0, topK: 0, topP: 1, maxTokens: 1, stopIds: [] };
    return { ids: ids.slice(0, start + at), adapter, sampling, key };
  });
  const greedy = requests.length > 0 ? await engine.generate(requests, { signal }) : [];
  unsure.forEach(({ row, at }, n) => {
    const { ids, logprobs, margins } = answers[row] as Required<Answer>;
    const [first, logprob] = [greedy[n]?.ids[0], greedy[n]?.logprobs[0] ?? 0];
    if (first === ids[at]) return;
    margins[at] = Math.min(SMALLEST_MARGIN, (logprobs[at] as number) - logprob);
  });
  const read = answers.values();
  return given.map((one) =>
    one.ids.length > one.start
      ? (read.next().value as Answer)
      : { text: '', finish: 'length', tokens: 0, ids: [], logprobs: [], margins: [] },
  );
}
