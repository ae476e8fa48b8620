/** `run`: a whole experiment, from the base model's accuracy to the last iteration's. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { RunControl } from '../../../src/lab/control';
import { createRun, Runner } from '../../../src/lab/runner';
import { resultsOf } from '../../../src/log/results';
import { RECIPES } from '../../../src/recipes';
import type { ExperimentConfig } from '../../../src/recipes/config';
import { ModelSociety } from '../../../src/recipes/modelSociety';
import { PRESETS } from '../../../src/recipes/presets';
import { estimateWork, resolveConfig } from '../../../src/recipes/resolve';
import { bundleRun } from '../../../src/store/bundle';
import { MemoryRunStore } from '../../../src/store/memory';
import { taskNamed } from '../../../src/tasks';
import { choice, ENGINES, number, readOptions, text, UsageError } from '../args';
import { Output } from '../output';
import { describeEvent, finalReport, summary } from '../runReport';
import { openEngine, openModel } from '../session';
import { openTokenizer } from '../tokenizer';

export const help = `polylogue run [options]

  --preset NAME       ${Object.keys(PRESETS).join(', ')}; default arithmetic-quick
  --set KEY=VALUE     change a setting, for example --set agents=5 --set finetune.lr=0.001; may be repeated
  --seed N            default: the preset's
  --engine NAME       auto, webgpu or reference; default auto
                      (torch: PyTorch in a child process, for long runs on a CPU; see tools/torch)
  --out FILE.zip      log, results and adapters (PEFT directories)
  --json              JSON lines: what happens, then one last object with accuracies, dataset sizes and the log's digest`;

const INTERRUPTED = 'interrupted; what was finished before is in the bundle when --out is given';

export async function main(args: string[]): Promise<void> {
  const values = readOptions(args, {
    preset: { type: 'string' },
    set: { type: 'string', multiple: true },
    seed: { type: 'string' },
    engine: { type: 'string' },
    out: { type: 'string' },
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  const seed = number(values, 'seed', undefined, { integer: true, min: 0 });
  const overrides = { ...readSettings((values['set'] as string[]) ?? []), ...(seed === undefined ? {} : { seed }) };
  const config = resolveConfig(text(values, 'preset') ?? 'arithmetic-quick', overrides);
  const out = text(values, 'out');

  const model = await openModel(modelFolder(config.model));
  const engine = await openEngine(choice(values, 'engine', ENGINES, 'auto'), model, engineOptions(config), output);
  const tokenizer = await openTokenizer(model.dir);
  const control = new RunControl();
  process.once('SIGINT', () => control.stop());

  const work = estimateWork(config);
  output.note(
    `${config.preset}, seed ${config.seed}, on ${engine.info.device}: about ${work.calls.toLocaleString('en')} responses`,
  );
  const store = new MemoryRunStore();
  const society = new ModelSociety({
    engine,
    tokenizer,
    model: { name: config.model, hash: model.hash },
    config,
    signal: control.signal,
  });
  const started = performance.now();
  const runner: Runner = new Runner({
    recipe: RECIPES[config.recipe].run,
    society,
    task: taskNamed(config.task),
    adapters: engine,
    store,
    control,
    onEvent: (event) => {
      const seconds = (performance.now() - started) / 1000;
      const line = describeEvent(event);
      if (line) {
        output.line(line.text);
        output.object({ ...line.data, seconds: Math.round(seconds) });
      }
      output.progress(`${(100 * runner.progress).toFixed(0)} %, ${Math.round(seconds)} s`);
    },
  });
  const created = await createRun(store, config);
  const record = await runner.run(created.id);
  const results = resultsOf(await store.events(created.id));
  if (out !== undefined) {
    await writeFile(out, await bundleRun(store, created.id));
    output.note(`written to ${out}`);
  }
  await engine.dispose();
  if (record.status !== 'finished') throw new UsageError(INTERRUPTED);
  const seconds = (performance.now() - started) / 1000;
  output.clearProgress();
  for (const line of summary(results)) output.line(line);
  output.line(`log digest ${record.digest}, ${record.events} events, ${seconds.toFixed(0)} s`);
  output.object({ type: 'result', ...finalReport(results, record), seconds: Math.round(seconds) });
}

/** "key=value" pairs. */
function readSettings(pairs: string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageError(`--set ${pair}: expected KEY=VALUE`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** A name means a folder under static/models; anything with a slash is a path. */
function modelFolder(name: string): string {
  if (name.includes('/')) return name;
  return fileURLToPath(new URL(`../../../static/models/${name}`, import.meta.url));
}

function engineOptions(config: ExperimentConfig): { maxRows: number; maxAdapters: number; maxRank: number } {
  return {
    maxRows: Math.min(256, config.agents * config.chunk),
    maxAdapters: 2 * config.agents + 1,
    maxRank: config.adapter.rank,
  };
}
