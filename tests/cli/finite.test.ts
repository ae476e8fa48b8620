/** Commands whose numbers leave the finite range: one line, exit code 1, nothing written. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/engine/safetensors';
import { expectRefusal, objects, polylogue, type Ended } from './program';

const LLAMA = 'tests/fixtures/golden/llama';
let scratch = '';
let data = '';

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'polylogue-finite-'));
  data = join(scratch, 'eight.jsonl');
  const lines = Array.from({ length: 8 }, (_, i) => `{"prompt_ids":[1,${i + 2}],"completion_ids":[7,9]}`);
  writeFileSync(data, lines.join('\n'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function train(out: string, ...more: string[]): Ended {
  return polylogue('train', '--model', LLAMA, '--data', data, '--out', out, '--engine', 'reference', '--json', ...more);
}

/** An adapter whose every weight has this size. */
function adapterOf(size: number): string {
  const out = join(scratch, `adapter ${size}`);
  expect(train(out).code).toBe(0);
  const file = join(out, 'adapter_model.safetensors');
  const tensors = readSafetensors(new Uint8Array(readFileSync(file)), file);
  for (const { data: values } of tensors.values()) values.fill(size);
  writeFileSync(file, writeSafetensors(tensors));
  return out;
}

/** The last line of stderr; others are notes. */
function expectFailure(ended: Ended, ...words: string[]): void {
  expect(ended.code).toBe(1);
  const lines = ended.err.trimEnd().split('\n');
  for (const word of ['polylogue: ', ...words]) expect(lines.at(-1)).toContain(word);
  expect(lines.filter((line) => line.startsWith('polylogue:'))).toHaveLength(1);
  expect(ended.err).not.toContain('unexpected');
}

describe('train', () => {
  it.each([
    ['1e18', []],
    ['1e6', []],
    ['1e18', ['--epochs', '3', '--batch', '4']],
    ['1e6', ['--epochs', '3', '--batch', '4']],
  ])('with a rate of %s stops and makes no folder (%s)', (lr, more) => {
    const out = join(scratch, 'none', 'deeper');
    const ended = train(out, '--lr', lr, ...more);
    expectFailure(ended, 'adapter adapter, step', 'lower the learning rate');
    expect(ended.err).not.toContain('adapter written');
    expect(existsSync(join(scratch, 'none'))).toBe(false);
    if (ended.out !== '') for (const { loss } of objects(ended.out)) expect(loss).toEqual(expect.any(Number));
  });

  it('leaves a folder that is there as it is', () => {
    const out = join(scratch, 'kept');
    expect(train(out, '--steps', '1').code).toBe(0);
    const before = readdirSync(out).map((name) => [name, readFileSync(join(out, name), 'base64')]);
    expectFailure(train(out, '--lr', '1e18', '--steps', '3'), 'step');
    expect(readdirSync(out).map((name) => [name, readFileSync(join(out, name), 'base64')])).toEqual(before);
  });

  it('refuses a place where no folder can be made before it reads the model', () => {
    const out = join(scratch, 'eight.jsonl', 'deeper');
    expectRefusal(train(out), 'deeper', 'is a file');
    mkdirSync(join(scratch, 'empty'));
    expectRefusal(train(join(scratch, 'empty'), '--model', join(scratch, 'no model')), 'no such folder');
    expect(readdirSync(join(scratch, 'empty'))).toEqual([]);
  });
});

it('generate and score refuse what a huge adapter makes of the logits', () => {
  const adapter = adapterOf(1e12);
  const common = ['--model', LLAMA, '--ids', '1,2,3', '--adapter', adapter, '--json'];
  for (const engine of ['reference', 'auto']) {
    const generated = polylogue('generate', ...common, '--engine', engine);
    expectFailure(generated, 'adapter adapter, row 0', 'not finite');
    expect(generated.out).toBe('');
    const scored = polylogue('score', ...common, '--engine', engine);
    expectFailure(scored, 'adapter adapter, row 0', 'position 0');
    expect(scored.out).toBe('');
  }
});

it('score refuses a model whose own weights overflow', () => {
  const dir = join(scratch, 'model');
  cpSync(LLAMA, dir, { recursive: true });
  const file = join(dir, 'model.safetensors');
  const tensors = readSafetensors(new Uint8Array(readFileSync(file)), file);
  tensors.get('model.embed_tokens.weight')?.data.fill(1e30);
  writeFileSync(file, writeSafetensors(tensors));
  const ended = polylogue('score', '--model', dir, '--ids', '1,2,3', '--engine', 'reference');
  expectFailure(ended, 'the base model, row 0', 'not finite');
});

describe('the program that npm starts', () => {
  const start = (...args: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, ['tools/cli/polylogue.mjs', ...args], { encoding: 'utf8' });

  it('keeps to itself what Dawn remarks on software drivers', () => {
    const ended = start('score', '--model', LLAMA, '--ids', '1,2,3', '--json');
    expect([ended.status, ended.stderr]).toEqual([0, '']);
    expect(objects(String(ended.stdout))[0]).toMatchObject({ ids: [1, 2, 3] });
  });

  it('passes on everything else, and the exit code', () => {
    const refused = start('score', '--model', join(scratch, 'absent'), '--ids', '1,2');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/^polylogue: .*no such folder\n$/);
  });
});
