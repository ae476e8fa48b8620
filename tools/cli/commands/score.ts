/** `score`: log-probability of every token of a sequence after the first. */
import { choice, ENGINES, idList, readOptions, required, text } from '../args';
import { Output } from '../output';
import { openEngine, openModel, readAdapter } from '../session';

export const help = `polylogue score --model DIR --ids 1,2,3 [options]

  --model DIR      folder in Hugging Face layout
  --ids 1,2,3      at least two token ids
  --adapter DIR    PEFT adapter to apply
  --engine NAME    auto, webgpu or reference; default auto
  --json           one JSON object: ids, logprobs (natural logarithm, one fewer than ids), sum, perplexity`;

export async function main(args: string[]): Promise<void> {
  const values = readOptions(args, {
    model: { type: 'string' },
    ids: { type: 'string' },
    adapter: { type: 'string' },
    engine: { type: 'string' },
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  const ids = idList(required(values, 'ids'));
  const choiceOfEngine = choice(values, 'engine', ENGINES, 'auto');
  const model = await openModel(required(values, 'model'));
  const adapterDir = text(values, 'adapter');
  const adapter = adapterDir === undefined ? null : await readAdapter(adapterDir, model.weights);
  const engine = await openEngine(
    choiceOfEngine,
    model,
    { maxRows: 1, maxAdapters: 1, maxRank: adapter?.config.rank ?? 1, maxLength: Math.max(2, ids.length) },
    output,
  );
  if (adapter) await engine.importAdapter('adapter', adapter);
  const [row] = await engine.score([{ ids, adapter: adapter ? 'adapter' : null }]);
  const logprobs = Array.from(row ?? []);
  const sum = logprobs.reduce((a, b) => a + b, 0);
  const perplexity = Math.exp(-sum / logprobs.length);
  output.object({ ids, logprobs, sum, perplexity, engine: engine.info.kind });
  logprobs.forEach((value, i) => output.line(`${String(ids[i + 1]).padStart(7)}  ${value.toFixed(6)}`));
  output.line(`sum ${sum.toFixed(6)}, perplexity ${perplexity.toFixed(4)}`);
  await engine.dispose();
}
