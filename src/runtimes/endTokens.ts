/** Where a text ends: one rule for runs, and for the commands that generate and train. */
import type { ChatTokenizer } from '../backends/tokenizer';
import { RequestError } from '../engine/errors';
import type { ModelConfig } from '../engine/types';

export interface EndTokens {
  /** Ends a completion in training; null when neither tokenizer nor configuration name one. */
  end: number | null;
  /** Any of them ends a response: `end`, and those of config.json and generation_config.json. */
  stopIds: number[];
}

/**
 * The end of an assistant's turn in the chat template, else that of the tokenizer, else the first of the configuration.
 * @param tokenizer null where ids are asked and there is none
 * @param model its name for people
 * @throws RequestError when the token that ends a turn has no place in the model's embedding
 */
export function endTokens(
  tokenizer: Pick<ChatTokenizer, 'eosId'> | null,
  config: Pick<ModelConfig, 'eosTokenIds' | 'vocabSize'>,
  model: string,
): EndTokens {
  const end = tokenizer?.eosId ?? config.eosTokenIds[0] ?? null;
  if (end !== null && end >= config.vocabSize) {
    throw new RequestError(
      `${model}: its tokenizer ends turns with token ${end}, and its embedding has ${config.vocabSize} tokens (0 to ${config.vocabSize - 1}); ` +
        'take the tokenizer files that belong to these weights',
    );
  }
  return { end, stopIds: [...new Set([...(end === null ? [] : [end]), ...config.eosTokenIds])] };
}

/** Text of a response's ids, without the token that ended it. */
export function responseText(
  tokenizer: Pick<ChatTokenizer, 'decode'>,
  { stopIds }: Pick<EndTokens, 'stopIds'>,
  ids: readonly number[],
): string {
  const last = ids.at(-1);
  return tokenizer.decode(last !== undefined && stopIds.includes(last) ? ids.slice(0, -1) : ids);
}
