/** A run's finetuning and its agents as Python: transformers, PEFT and TRL repeat the one, vLLM serves the others. */
import type { RunEvent } from '../../../events';
import { plain, trlFiles, type TextFiles } from '../trl';
import { startOf } from '../sets';
import { jobPlans, scriptConstants, type JobPlan } from './jobs';
import { pythonLiteral, type PythonValue } from './literal';

/** The parts of the scripts that are the same for every run. */
export interface ScriptBodies {
  finetune: string;
  serve: string;
}

/** What the scripts were tried with. */
const REQUIREMENTS = ['torch>=2.6', 'transformers~=5.18', 'peft~=0.21', 'trl~=1.13', 'datasets>=4'];

/**
 * `finetune.py`, `serve.py`, `requirements.txt`, `README.md` and the data sets in `data/`.
 * @throws ExportError for a run that trained nothing or is not finished, and what `trlFiles` throws
 */
export function scriptFiles(events: readonly RunEvent[], bodies: ScriptBodies, name: string): TextFiles {
  const constants = scriptConstants(events);
  const jobs = jobPlans(events);
  const data = Object.entries(trlFiles(events)).map(([path, text]) => [`data/${path}`, text]);
  const { MODEL, ...rest } = constants;
  const about = `of the run ${JSON.stringify(name)}`;
  return {
    'README.md': readme(events, jobs, name),
    'requirements.txt': `${REQUIREMENTS.join('\n')}\n`,
    'finetune.py': script(`The finetuning ${about}, again: transformers, PEFT and TRL.`, bodies.finetune, {
      MODEL: MODEL as PythonValue,
      ...rest,
    }),
    'serve.py': script(`The agents ${about} behind one server: vLLM with an adapter for each.`, bodies.serve, {
      MODEL: MODEL as PythonValue,
    }),
    ...(Object.fromEntries(data) as TextFiles),
  };
}

/** What it is, the imports, the run's constants, and the rest of the body. */
function script(about: string, body: string, constants: Record<string, PythonValue>): string {
  // Constants stand where the body's own first constant does.
  const at = body.indexOf('\nHERE = ');
  const values = Object.entries(constants).map(([key, value]) => `${key} = ${pythonLiteral(value)}\n`);
  return `__doc__ = ${pythonLiteral(about)}\n\n${body.slice(0, at)}\n${values.join('')}${body.slice(at)}`;
}

function readme(events: readonly RunEvent[], jobs: readonly JobPlan[], name: string): string {
  const { config, model } = startOf(events);
  const merged = events.some((event) => event.type === 'adapter' && 'merge' in event.from);
  const kinds = new Set(jobs.map(({ objective }) => objective));
  return [
    `# ${plain(name)} in Python`,
    '',
    `Recipe ${plain(config.recipe)}, preset ${plain(config.preset)}, seed ${config.seed}, model ${plain(model.name)}`,
    `(sha-256 of its weights ${plain(model.hash)}).`,
    '',
    '```',
    'pip install -r requirements.txt',
    'python finetune.py --model FOLDER_OR_REPOSITORY',
    'python serve.py --model FOLDER_OR_REPOSITORY     # needs vLLM: pip install vllm',
    '```',
    '',
    `\`finetune.py\` trains ${jobs.length} adapters, one after the other, on the data sets of the run (\`data/\`). It goes on where it was stopped.`,
    'Adapters are PEFT directories in `adapters/`. `serve.py` puts those behind an OpenAI-compatible server; an agent is asked by its name:',
    '',
    '```',
    'curl http://localhost:8000/v1/chat/completions -H "Content-Type: application/json" \\',
    `  -d '{"model": "${plain(jobs[0]?.out.split('/').pop() ?? '')}", "messages": [{"role": "user", "content": "…"}]}'`,
    '```',
    '',
    "The run's own adapters are written by `polylogue export FILE.zip --peft DIR`; `serve.py --adapters DIR` serves those.",
    '',
    '## What is the same, and what is not',
    '',
    '- The same: data sets, objectives, adapters’ shape, number of steps, learning rate of every step, batch size, clipping, AdamW.',
    '- Not the same: order of the examples, first values of the adapters, rounding, and formats of packed weights. So adapters are alike, not equal.',
    '- Debates, votes and tests are not repeated: the data sets are what came out of them.',
    ...(kinds.has('kto')
      ? ['- KTO: TRL estimates the reference point from mismatched pairs; the run had it at 0.']
      : []),
    ...(merged ? ['- Merged adapters are not made again. Take them from the export of the run’s own adapters.'] : []),
    '',
  ].join('\n');
}
