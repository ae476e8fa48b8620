/**
 * A run that diverges, and models whose numbers f16 does not hold, through the program itself. The models are the lab's own with
 * weights rescaled: a norm is larger and the matrices behind it smaller, so the model computes the same and its adapters far more.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strFromU8, unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { firstNonFinite } from '../../src/engine/finite';
import { readSafetensors, writeSafetensors } from '../../src/engine/safetensors';
import { objects, polylogue, type Ended } from './program';

let scratch = '';
beforeAll(() => void (scratch = mkdtempSync(join(tmpdir(), 'polylogue-diverging-'))));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A copy of a model with some tensors changed. */
function changed(from: string, name: string, change: (data: (tensor: string) => Float32Array) => void): string {
  const dir = join(scratch, name);
  mkdirSync(dir);
  cpSync(from, dir, { recursive: true });
  const file = join(dir, 'model.safetensors');
  const tensors = readSafetensors(new Uint8Array(readFileSync(file)), file);
  change((tensor) => tensors.get(tensor)!.data);
  writeFileSync(file, writeSafetensors(tensors));
  return dir;
}

const times = (data: Float32Array, factor: number): void => data.forEach((value, i) => (data[i] = value * factor));

describe('a run that diverges', () => {
  let model = '';
  beforeAll(() => {
    model = changed('static/models/arithmetic-0.4m', 'amplifying', (data) => {
      const names = ['post_attention_layernorm', 'mlp.gate_proj', 'mlp.up_proj'];
      names.forEach((part, i) => times(data(`model.layers.2.${part}.weight`), i === 0 ? 1e10 : 1e-10));
    });
  });

  const run = (out: string, ...settings: string[]): Ended => {
    const small = ['agents=2', 'rounds=2', 'iterations=2', 'trainProblems=4', 'evaluationProblems=1', 'minimumVotes=1'];
    const all = [...small, 'singleAgentBaseline=false', 'finetune.batchSize=64', 'finetune.lr=10', ...settings];
    const set = [`model=${model}`, ...all].flatMap((one) => ['--set', one]);
    return polylogue('run', '--preset', 'arithmetic-tiny', ...set, '--engine', 'reference', '--out', out, '--json');
  };
  const bundle = (out: string) => {
    const files = unzipSync(new Uint8Array(readFileSync(out)));
    const events = strFromU8(files['log.jsonl']!).trimEnd().split('\n');
    const record = JSON.parse(strFromU8(files['run.json']!)) as { status: string; error: string; events: number };
    return { files, record, events: events.map((line) => JSON.parse(line) as { type: string }) };
  };

  it('exits 1, names adapter and step, and leaves a log up to there', () => {
    const out = join(scratch, 'training.zip');
    const ended = run(out, 'finetune.epochs=2');
    expect(ended.code).toBe(1);
    expect(ended.err).toMatch(
      /^polylogue: adapter generator-0, step 2 of 2: the loss is NaN.*lower the learning rate.*lr is 10/m,
    );
    expect(objects(ended.out).some(({ type }) => type === 'result')).toBe(false);
    const { record, events, files } = bundle(out);
    expect(record).toMatchObject({ status: 'failed', events: events.length });
    expect(record.error).toMatch(/generator-0, step 2 of 2: the loss is NaN/);
    expect(events.at(-1)?.type).not.toBe('run-finished');
    // Nothing of the broken training is kept: the last finite adapters are those before it, copies of the base.
    expect(Object.keys(files).filter((name) => name.startsWith('adapters/'))).toEqual([]);
  });

  it('keeps the finite adapters of the training before the step or token that broke', () => {
    const out = join(scratch, 'generation.zip');
    const ended = run(out, 'finetune.epochs=1');
    expect(ended.code).toBe(1);
    expect(ended.err).toMatch(
      /^polylogue: adapter generator-0, row 0: the logits of token 1 .* not finite.*learning rate/m,
    );
    const { record, files } = bundle(out);
    expect(record.status).toBe('failed');
    const kept = Object.keys(files).filter((name) => name.endsWith('adapter_model.safetensors'));
    expect(kept.map((name) => name.split('/').slice(0, 3).join('/'))).toEqual(
      ['critic-0', 'critic-1', 'generator-0', 'generator-1'].map((name) => `adapters/iteration-1/${name}`),
    );
    for (const name of kept)
      for (const { data } of readSafetensors(files[name]!, name).values()) expect(firstNonFinite(data)).toBe(-1);
  });
});

describe('numbers too large for f16', () => {
  const LLAMA = 'tests/fixtures/golden/llama';
  const UP = 'model.layers.1.mlp.up_proj.weight';

  it.each(['score', 'generate'])('among the weights are told once by %s', (command) => {
    const model = changed(LLAMA, `large ${command}`, (data) => void (data(UP)[0] = 1e5));
    const more = command === 'score' ? [] : ['--max-tokens', '2'];
    const common = ['--model', model, '--ids', '1,2,3', '--dtype', 'f16', '--engine', 'reference'];
    const args = [command, ...common, ...more];
    const ended = polylogue(...args);
    expect(ended.code).toBe(0);
    expect(ended.err.match(/too large for f16/g)).toHaveLength(1);
    expect(objects(polylogue(...args, '--json').out)[0]).toMatchObject({ saturated: 1 });
  });

  it('are counted per matrix and in sum by dequantize, and in the perplexity of a text', () => {
    const model = changed('static/models/arithmetic-0.4m', 'large', (data) => {
      data('model.layers.1.mlp.up_proj.weight').set([1e5, -1e6]);
    });
    const out = join(scratch, 'f32');
    const ended = polylogue(
      'dequantize',
      '--model',
      model,
      '--dtype',
      'f16',
      '--out',
      out,
      '--engine',
      'reference',
      '--json',
    );
    expect(ended.code).toBe(0);
    const lines = objects(ended.out);
    expect(lines.filter(({ saturated }) => saturated !== 0).map(({ name, saturated }) => [name, saturated])).toEqual([
      [UP, 2],
      [undefined, 2],
    ]);
    const plain = polylogue(
      'dequantize',
      '--model',
      model,
      '--dtype',
      'f16',
      '--out',
      `${out} plain`,
      '--engine',
      'reference',
    );
    expect(plain.out).toMatch(/^model\.layers\.1\.mlp\.up_proj\.weight.* 2 too large for f16$/m);
    expect(plain.err.match(/too large for f16/g)).toHaveLength(1);

    const text = join(scratch, 'text.txt');
    writeFileSync(text, '1+2*3');
    const scored = polylogue(
      'score',
      '--model',
      model,
      '--text',
      text,
      '--dtype',
      'f16',
      '--engine',
      'reference',
      '--json',
    );
    expect(scored.code).toBe(0);
    expect(objects(scored.out)[0]).toMatchObject({ results: [{ quantiser: { saturated: 2 } }] });
  });
});
