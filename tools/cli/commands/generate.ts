/** `generate`: sample one completion. */
import { STREAMS } from '../../../src/random';
import {
  cacheHelp,
  cacheOption,
  dtypeHelp,
  dtypeOption,
  engineChoice,
  engineHelp,
  ENGINE_OPTIONS,
  idList,
  number,
  readOptions,
  required,
  text,
  UsageError,
  type Values,
  IGNORE_CONFIG,
  ignoreHelp,
  ignoredKeys,
  ignoredIn,
} from '../args';
import { Output } from '../output';
import { saturationIn } from '../quantiserErrors';
import { openEngine, openModel, readAdapter } from '../session';
import { endTokens, responseText } from '../../../src/runtimes/endTokens';
import type { ChatTokenizer } from '../../../src/backends/tokenizer';
import { checkTokens, lackingNote, openTokenizer } from '../tokenizer';

export const help = `polylogue generate --model DIR (--prompt TEXT | --ids 1,2,3) [options]

  --model DIR          folder in Hugging Face layout
  --prompt TEXT        a user message, rendered with the model's chat template when it has one
  --raw                take --prompt as it is, behind a BOS where the tokenizer puts one, without a chat template
  --ids 1,2,3          token ids of the prompt; no tokenizer is needed
  --adapter DIR        PEFT adapter to apply
  --max-tokens N       default 128, or what the model has room for
  --temperature T      default 1; 0 is greedy
  --top-k K            keep the K most probable tokens; default 0, all
  --top-p P            keep the most probable tokens with mass P; default 1, all
  --seed N             default 0
${ignoreHelp(20)}
${dtypeHelp(20)}
${cacheHelp(20)}
${engineHelp(20)}
  --json               one JSON object: ids, text, logprobs, margins, finish; note where the tokenizer lacks characters of the
                       prompt; saturated and cacheSaturated where numbers were too large for their format`;

export async function main(args: string[]): Promise<void> {
  const values = readOptions(args, {
    model: { type: 'string' },
    prompt: { type: 'string' },
    raw: { type: 'boolean' },
    ids: { type: 'string' },
    adapter: { type: 'string' },
    'max-tokens': { type: 'string' },
    temperature: { type: 'string' },
    'top-k': { type: 'string' },
    'top-p': { type: 'string' },
    seed: { type: 'string' },
    dtype: { type: 'string' },
    cache: { type: 'string' },
    ...ENGINE_OPTIONS,
    ...IGNORE_CONFIG,
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  const temperature = number(values, 'temperature', 1, { min: 0 });
  const topK = number(values, 'top-k', 0, { integer: true, min: 0 });
  const topP = number(values, 'top-p', 1, { above: 0, max: 1 });
  const wanted = number(values, 'max-tokens', undefined, { integer: true, min: 1 });
  const seed = number(values, 'seed', 0, { integer: true, min: 0 });
  const dtype = dtypeOption(values);
  const cache = cacheOption(values);
  const raw = Boolean(values['raw']);
  const choiceOfEngine = engineChoice(values);
  const model = await openModel(required(values, 'model'), ignoredKeys(values));
  const asked = promptOf(values);
  const tokenizer = await openTokenizer(model.dir).catch((error: unknown) => {
    // Ids need none: the response is then given as ids.
    if (typeof asked === 'string') throw error;
    return null;
  });
  const ids = typeof asked === 'string' ? await promptIds(asked, tokenizer as ChatTokenizer, raw) : asked;
  checkTokens(ids, model, tokenizer);
  const lacking = typeof asked === 'string' && tokenizer ? await lackingNote('The prompt', asked, tokenizer) : null;
  if (lacking !== null) output.note(lacking);
  const ends = endTokens(tokenizer, model.config, model.dir);
  const room = model.config.maxPositions - ids.length;
  if (room < (wanted ?? 1))
    throw new UsageError(
      `the prompt has ${ids.length} tokens and ${model.dir} reads ${model.config.maxPositions}, so there is room for ${Math.max(0, room)} more, ` +
        `not ${wanted ?? 1}; give a shorter prompt${room > 0 ? ` or --max-tokens ${room} at most` : ''}`,
    );
  const maxTokens = wanted ?? Math.min(128, room);
  const adapterDir = text(values, 'adapter');
  const adapter = adapterDir === undefined ? null : await readAdapter(adapterDir, model.config);
  const engine = await openEngine(
    choiceOfEngine,
    model,
    { maxRows: 1, maxAdapters: 1, maxRank: adapter?.config.rank ?? 1, maxLength: ids.length + maxTokens, dtype, cache },
    output,
  );
  if (adapter) await engine.importAdapter('adapter', adapter);
  const [result] = await engine.generate([
    {
      ids,
      adapter: adapter ? 'adapter' : null,
      sampling: { temperature, topK, topP, maxTokens, stopIds: ends.stopIds },
      key: { seed, stream: STREAMS.sample, iteration: 0, agent: 0, problem: 0, round: 0 },
    },
  ]);
  if (!result) throw new Error('the engine returned no result');
  const completion = tokenizer ? responseText(tokenizer, ends, result.ids) : null;
  output.object({
    prompt_ids: ids,
    ...result,
    text: completion,
    engine: engine.info.kind,
    ...(lacking !== null && { note: lacking }),
    ...ignoredIn(model.config),
    ...(await saturationIn(engine)),
  });
  output.line(completion ?? result.ids.join(','));
  output.note(`${result.ids.length} tokens, ended by ${result.finish}, ${engine.info.device}`);
  await engine.dispose();
}

/** The text of --prompt, or the ids of --ids. */
function promptOf(values: Values): string | number[] {
  const prompt = text(values, 'prompt');
  const ids = text(values, 'ids');
  if ((prompt === undefined) === (ids === undefined)) throw new UsageError('give either --prompt or --ids');
  if (ids !== undefined && values['raw']) throw new UsageError('--raw goes with --prompt; ids are taken as they are');
  return ids === undefined ? (prompt as string) : idList(ids);
}

async function promptIds(prompt: string, tokenizer: ChatTokenizer, raw: boolean): Promise<number[]> {
  const chat = !raw && tokenizer.hasChatTemplate;
  const ids = await (chat
    ? tokenizer.encodeChat([{ role: 'user', content: prompt }], true)
    : tokenizer.encodeDocument(prompt));
  if (ids.length === 0) throw new UsageError('--prompt is empty; give some text, or --ids');
  return ids;
}
