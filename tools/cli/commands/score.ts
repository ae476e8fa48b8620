/** `score`: log-probability of every token of a sequence after the first, or the perplexity of a text. */
import type { Engine, WeightDtype } from '../../../src/engine/types';
import { UsageError, IGNORE_CONFIG, ignoreHelp, ignoredKeys, ignoredIn } from '../args';
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
} from '../args';
import type { EngineChoice, Values } from '../args';
import { Output } from '../output';
import { perplexityOf, type Perplexity, windowsOf } from '../../../src/engine/perplexity';
import { describeErrors, summarise, type ErrorSummary, saturationIn } from '../quantiserErrors';
import { openEngine, openModel, readAdapter, readBytes, type OpenedModel } from '../session';
import { plainText } from '../../../src/tasks/textLines';
import { checkTokens, lackingNote, openTokenizer } from '../tokenizer';

export const help = `polylogue score --model DIR (--ids 1,2,3 | --text FILE) [options]

  --model DIR      folder in Hugging Face layout
  --ids 1,2,3      at least two token ids
  --text FILE      UTF-8 text whose perplexity is measured
  --window N       tokens of a window, with --text; default 512, or what the model has room for
  --limit N        only the first N tokens of the text
  --against NAME   measure the text with the weights in this format too, for example f32
  --adapter DIR    PEFT adapter to apply
${ignoreHelp(16)}
${dtypeHelp(16)}
${cacheHelp(16)}
${engineHelp(16)}
  --json           one JSON object: with --ids ids, logprobs (natural logarithm, one fewer than ids), sum, perplexity;
                   with --text tokens (of the text), scored, windows, and for each format nll, perplexity and the quantiser's relative error
                   (mean, worst, and saturated: how many numbers were too large for f16; null where nothing is packed), cacheSaturated:
                   how many numbers among keys and values were; note where the tokenizer lacks characters of the text

  Perplexity of a text: its tokens are cut into windows of N tokens that overlap by one, so that every token but the first is
  predicted exactly once, from what stands before it in its window. Where the tokenizer begins texts with a BOS, as
  Llama's does, the first window begins with it, and the text's first token is predicted too. nll is the mean of −log p over
  these tokens, natural logarithm; perplexity is exp(nll).`;

export async function main(args: string[]): Promise<void> {
  const values = readOptions(args, {
    model: { type: 'string' },
    ids: { type: 'string' },
    text: { type: 'string' },
    window: { type: 'string' },
    limit: { type: 'string' },
    against: { type: 'string' },
    adapter: { type: 'string' },
    dtype: { type: 'string' },
    cache: { type: 'string' },
    ...ENGINE_OPTIONS,
    ...IGNORE_CONFIG,
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  if ((values['ids'] === undefined) === (values['text'] === undefined)) {
    throw new UsageError('give either --ids or --text');
  }
  const dtype = dtypeOption(values);
  const engine = engineChoice(values);
  if (values['text'] === undefined) await scoreIds(values, dtype, engine, output);
  else await scoreText(values, dtype, engine, output);
}

async function scoreIds(values: Values, dtype: WeightDtype, choice: EngineChoice, output: Output): Promise<void> {
  const ids = idList(required(values, 'ids'));
  for (const name of ['window', 'limit', 'against']) {
    if (values[name] !== undefined) throw new UsageError(`--${name} goes with --text`);
  }
  if (ids.length < 2) throw new UsageError('--ids: one id predicts nothing; give at least two');
  const model = await openModel(required(values, 'model'), ignoredKeys(values));
  const most = model.config.maxPositions;
  if (ids.length > most) throw new UsageError(`--ids: there are ${ids.length}, and ${model.dir} reads ${most} at most`);
  checkTokens(ids, model, await openTokenizer(model.dir).catch(() => null));
  const { engine, adapter } = await engineFor(values, model, 1, Math.max(2, ids.length), dtype, choice, output);
  const [row] = await engine.score([{ ids, adapter }]);
  const logprobs = Array.from(row ?? []);
  const sum = logprobs.reduce((a, b) => a + b, 0);
  const perplexity = Math.exp(-sum / logprobs.length);
  const seen = { ...ignoredIn(model.config), ...(await saturationIn(engine)) };
  output.object({ ids, logprobs, sum, perplexity, dtype, engine: engine.info.kind, ...seen });
  logprobs.forEach((value, i) => output.line(`${String(ids[i + 1]).padStart(7)}  ${value.toFixed(6)}`));
  output.line(`sum ${sum.toFixed(6)}, perplexity ${perplexity.toFixed(4)}`);
  await engine.dispose();
}

async function scoreText(values: Values, dtype: WeightDtype, choice: EngineChoice, output: Output): Promise<void> {
  const file = required(values, 'text');
  const against = values['against'] === undefined ? null : dtypeOption(values, 'against');
  const limit = number(values, 'limit', Infinity, { integer: true, min: 2 });
  const model = await openModel(required(values, 'model'), ignoredKeys(values));
  const most = model.config.maxPositions;
  const window = number(values, 'window', Math.min(512, most), { integer: true, min: 2, max: most });
  const content = plainText(file, await readBytes(file));
  const tokenizer = await openTokenizer(model.dir);
  const start = await tokenizer.encodeDocument('');
  const tokens = (await tokenizer.encode(content)).slice(0, limit);
  const ids = [...start, ...tokens];
  if (ids.length < 2)
    throw new UsageError(
      `--text: ${file} ${tokens.length === 0 ? 'is empty' : 'has one token'}, so there is no token to predict; give a longer text`,
    );

  checkTokens(ids, model, tokenizer);
  const lacking = await lackingNote(file, content, tokenizer);
  if (lacking !== null) output.note(lacking);

  const results: (Perplexity & { dtype: WeightDtype; quantiser: ErrorSummary | null; cacheSaturated: number })[] = [];
  let kind = '';
  // One after the other: two models at once might not fit the device.
  for (const format of against === null || against === dtype ? [dtype] : [dtype, against]) {
    const { engine, adapter } = await engineFor(values, model, 4, window, format, choice, output);
    kind = engine.info.kind;
    const progress = (done: number, all: number): void => output.progress(`${format}: window ${done} of ${all}`);
    const measured = await perplexityOf(engine, adapter, ids, window, progress);
    const { errors = [], cacheSaturated = 0 } = (await engine.report?.()) ?? {};
    results.push({ dtype: format, ...measured, quantiser: summarise(errors), cacheSaturated });
    await engine.dispose();
  }
  const windows = windowsOf(ids, window).length;
  output.object({
    text: file,
    tokens: tokens.length,
    scored: ids.length - 1,
    window,
    windows,
    engine: kind,
    ...(lacking !== null && { note: lacking }),
    ...ignoredIn(model.config),
    results,
  });
  output.line(
    `${file}: ${tokens.length} tokens, ${ids.length - 1} of them predicted, in ${windows} ${windows === 1 ? 'window' : 'windows'} of ${window}`,
  );
  for (const { dtype: format, nll, perplexity, quantiser } of results) {
    output.line(`${format.padEnd(4)}  nll ${nll.toFixed(5)}  perplexity ${perplexity.toFixed(4)}`);
    if (quantiser) output.line(`      ${describeErrors(quantiser)}`);
  }
  const [measured, full] = results;
  if (!measured || !full) return;
  const ratio = full.perplexity === 0 ? NaN : measured.perplexity / full.perplexity;
  output.line(`${measured.dtype} against ${full.dtype}: perplexity × ${ratio.toFixed(4)}`);
}

async function engineFor(
  values: Values,
  model: OpenedModel,
  maxRows: number,
  maxLength: number,
  dtype: WeightDtype,
  choice: EngineChoice,
  output: Output,
): Promise<{ engine: Engine; adapter: string | null }> {
  const dir = text(values, 'adapter');
  const adapter = dir === undefined ? null : await readAdapter(dir, model.config);
  const cache = cacheOption(values);
  const options = { maxRows, maxAdapters: 1, maxRank: adapter?.config.rank ?? 1, maxLength, dtype, cache };
  const engine = await openEngine(choice, model, options, output);
  if (adapter) await engine.importAdapter('adapter', adapter);
  return { engine, adapter: adapter ? 'adapter' : null };
}
