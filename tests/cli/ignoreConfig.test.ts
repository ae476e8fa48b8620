/** Every command goes through the same check of config.json, and loads a model all the same when it is told to. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal, objects, polylogue } from './program';

let scratch = '';
let model = '';
let data = '';

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'polylogue-ignore-'));
  model = join(scratch, 'model');
  cpSync('static/models/arithmetic-0.4m', model, { recursive: true });
  const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')) as object;
  writeFileSync(join(model, 'config.json'), JSON.stringify({ ...config, scale_emb: 12 }));
  data = join(scratch, 'data.jsonl');
  writeFileSync(data, '{"prompt_ids":[1,5],"completion_ids":[7,2]}\n');
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const IGNORE = ['--ignore-config', 'scale_emb'];
const TINY = [
  ...['agents=1', 'rounds=1', 'iterations=0', 'trainProblems=1', 'evaluationProblems=1', 'sampling.maxTokens=4'],
  ...['minimumVotes=1', 'singleAgentBaseline=false'],
].flatMap((setting) => ['--set', setting]);

/** The arguments of each command, on the model with the strange key. */
const commands = (): Record<string, string[]> => ({
  score: ['--model', model, '--ids', '1,5,7', '--engine', 'reference'],
  generate: ['--model', model, '--ids', '1,5', '--max-tokens', '2', '--engine', 'reference'],
  train: ['--model', model, '--data', data, '--out', join(scratch, 'adapter'), '--steps', '1', '--engine', 'reference'],
  plan: ['--model', model],
  dequantize: ['--model', model, '--dtype', 'f32', '--out', join(scratch, 'out'), '--engine', 'reference'],
  run: ['--set', `model=${model}`, ...TINY, '--engine', 'reference'],
  bench: ['--model', model, '--quick', '--rows', '1', '--repeat', '1', '--engine', 'reference'],
});

describe('a key of config.json that is not known', () => {
  it.each(['score', 'generate', 'train', 'plan', 'dequantize', 'run', 'bench'])('is refused by %s', (name) => {
    const args = commands()[name] as string[];
    expectRefusal(polylogue(name, ...args), 'config.json', '"scale_emb": 12 (line 1)', '--ignore-config scale_emb');
  });

  it.each(['score', 'generate', 'train', 'plan', 'dequantize'])('is ignored by %s on demand, which says so', (name) => {
    const ended = polylogue(name, ...(commands()[name] as string[]), ...IGNORE, '--json');
    expect(ended.code).toBe(0);
    expect(objects(ended.out).at(-1)).toMatchObject({ ignored_config: ['scale_emb'] });
  });

  it('is ignored by run on demand, in the configuration of log and results', () => {
    const ended = polylogue('run', ...(commands()['run'] as string[]), ...IGNORE, '--json');
    expect(ended.code).toBe(0);
    expect(objects(ended.out).at(-1)).toMatchObject({ config: { ignoreConfig: ['scale_emb'] } });
  });

  it.each(['', 'two words', "don't", '$x'])('can have any name: %j', (key) => {
    const folder = join(scratch, 'named');
    cpSync('static/models/arithmetic-0.4m', folder, { recursive: true });
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, [key]: 1 }));
    const refused = polylogue('plan', '--model', folder);
    const advised = /--ignore-config (.*)\)$/m.exec(refused.err)?.[1] as string;
    // What is advised is one word of a shell, and it works.
    expect(execFileSync('/bin/sh', ['-c', `printf %s ${advised}`], { encoding: 'utf8' })).toBe(key);
    expect(polylogue('plan', '--model', folder, '--ignore-config', key, '--json').code).toBe(0);
  });

  it('has to be there to be ignored, and belongs to a model', () => {
    const args = commands()['plan'] as string[];
    expectRefusal(polylogue('plan', ...args, ...IGNORE, '--ignore-config', 'scale_em'), 'has no such key');
    expectRefusal(polylogue('plan', '--shape', 'SmolLM2-135M', ...IGNORE), '--ignore-config goes with --model');
  });
});
