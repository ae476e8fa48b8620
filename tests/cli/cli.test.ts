/** The command line as a program: what it prints, and how it fails. */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/engine/safetensors';
import { commandLine, expectRefusal, objects, polylogue, type Ended } from './program';

const LLAMA = 'tests/fixtures/golden/llama';
let scratch = '';

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'polylogue-cli-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function brokenModel(name: string, change: (dir: string) => void): string {
  const dir = join(scratch, name);
  cpSync(LLAMA, dir, { recursive: true });
  change(dir);
  return dir;
}

function dataFile(name: string, ...lines: string[]): string {
  const file = join(scratch, name);
  writeFileSync(file, lines.join('\n') + '\n');
  return file;
}

describe('generate, score and train', () => {
  it('samples the same ids from the same seed, one JSON object', () => {
    const args = [
      'generate',
      '--model',
      LLAMA,
      '--ids',
      '1,5,7',
      '--max-tokens',
      '6',
      '--seed',
      '3',
      '--engine',
      'reference',
      '--json',
    ];
    const first = polylogue(...args);
    expect(first.code).toBe(0);
    const [result] = objects(first.out);
    expect((result?.['ids'] as number[]).length).toBeLessThanOrEqual(6);
    expect(polylogue(...args).out).toBe(first.out);
  });

  it('scores every token after the first', () => {
    const [result] = objects(
      polylogue('score', '--model', LLAMA, '--ids', '1,5,7,9', '--engine', 'reference', '--json').out,
    );
    expect(result?.['logprobs']).toHaveLength(3);
  });

  it('trains an adapter that generate and train take again', () => {
    const data = dataFile(
      'data.jsonl',
      '{"prompt_ids":[1,2],"completion_ids":[3,4]}',
      '',
      '{"prompt_ids":[1,2,6],"completion_ids":[3,4,7]}',
    );
    const out = join(scratch, 'adapter');
    const train = ['train', '--model', LLAMA, '--data', data, '--engine', 'reference', '--json', '--lr', '0.01'];
    const steps = objects(polylogue(...train, '--out', out, '--steps', '4', '--rank', '4').out);
    expect(steps.map((step) => step['step'])).toEqual([1, 2, 3, 4]);
    expect(steps[3]?.['loss']).toBeLessThan(steps[0]?.['loss'] as number);
    expect(Object.keys(steps[0] ?? {})).toEqual(expect.arrayContaining(['loss', 'grad_norm', 'lr']));
    expect(existsSync(join(out, 'adapter_model.safetensors'))).toBe(true);
    expect(JSON.parse(readFileSync(join(out, 'adapter_config.json'), 'utf8'))).toMatchObject({
      r: 4,
      peft_type: 'LORA',
    });
    const again = objects(polylogue(...train, '--adapter', out, '--out', join(scratch, 'more'), '--steps', '1').out);
    expect(again[0]?.['loss']).toBeLessThan(steps[3]?.['loss'] as number);
  });

  it('runs an experiment twice to the same digest wherever its model lies, and another seed to another', () => {
    const run = (seed: string, ...more: string[]): Record<string, unknown> => {
      const small = ['--set', 'trainProblems=3', '--set', 'evaluationProblems=3', '--set', 'iterations=1'];
      const ended = polylogue(
        'run',
        '--preset',
        'arithmetic-tiny',
        ...small,
        ...more,
        '--seed',
        seed,
        '--engine',
        'reference',
        '--json',
      );
      expect(ended.code).toBe(0);
      return objects(ended.out).at(-1) ?? {};
    };
    const first = run('5');
    expect(first).toMatchObject({ type: 'result' });
    expect(Object.keys(first['accuracy'] as object)).toEqual(
      expect.arrayContaining(['single', 'majority', 'debate', 'societyDebate']),
    );
    cpSync('static/models/arithmetic-0.4m', join(scratch, 'arithmetic-0.4m'), { recursive: true });
    const elsewhere = run('5', '--set', `model=${join(scratch, 'arithmetic-0.4m')}/`);
    expect(elsewhere['digest']).toBe(first['digest']);
    expect(elsewhere['model']).toEqual({ name: 'arithmetic-0.4m', hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(run('6')['digest']).not.toBe(first['digest']);
  });
});

describe('Ctrl-C', () => {
  it('ends a run with what was done so far in the bundle, and the exit code of an interruption', async () => {
    const out = join(scratch, 'interrupted.zip');
    const [program, ...args] = commandLine('run', '--engine', 'reference', '--out', out);
    const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk) => {
      // The run says what it is about to do, and is at work then.
      err += String(chunk);
      if (!child.killed && /about [\d,]+ responses/.test(err)) child.kill('SIGINT');
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(130);
    expect(err).toContain(`interrupted; the log so far is in ${out}`);
    const files = unzipSync(new Uint8Array(readFileSync(out)));
    const log = new TextDecoder().decode(files['log.jsonl']);
    expect(JSON.parse(log.split('\n')[0]!)).toMatchObject({ type: 'run-started' });
  });

  it('ends a command whose tokenizer computes for ever', async () => {
    const model = join(scratch, 'bomb');
    cpSync('static/models/arithmetic-0.4m', model, { recursive: true });
    const file = join(model, 'tokenizer.json');
    const tokenizer = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    const bomb = { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated', invert: false };
    writeFileSync(file, JSON.stringify({ ...tokenizer, pre_tokenizer: bomb }));
    const question = `${'a'.repeat(60)}!`;
    const data = dataFile('bomb.jsonl', ...[1, 2].map((i) => JSON.stringify({ question: question + i, answer: '1' })));
    const settings = ['task=jsonl', `model=${model}`, 'trainProblems=1', 'evaluationProblems=1'];
    const [program, ...args] = commandLine(
      ...['run', '--preset', 'gsm8k-quick', '--data', data, '--engine', 'reference'],
      ...settings.flatMap((setting) => ['--set', setting]),
    );
    const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk) => {
      err += String(chunk);
      // Said before the tokenizer is loaded.
      if (/2 problems/.test(err)) setTimeout(() => child.kill('SIGINT'), 300);
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(err).toContain('polylogue: interrupted; nothing was finished');
    expect(code).toBe(130);
  });
});

describe('refusals', () => {
  it('names a missing model, command and option', () => {
    expectRefusal(polylogue('score', '--model', join(scratch, 'nowhere'), '--ids', '1,2'), 'nowhere', 'no such folder');
    expectRefusal(polylogue('dance'), 'dance');
    expectRefusal(polylogue('score', '--modle', 'x'), '--modle');
    expectRefusal(polylogue('run', '--set', 'agents=0'), 'agents');
    expectRefusal(polylogue('run', '--set', 'model=.'), ' ./config.json:');
    expectRefusal(polylogue('score', '--model', LLAMA, '--ids', '1,2', '--temperature', '-1'), '--temperature');
    for (const ids of ['1,1e1', '1,0x3', '1,+2', '1,2.0'])
      expectRefusal(polylogue('score', '--model', LLAMA, '--ids', ids), '--ids', ids.slice(2));
    expectRefusal(polylogue('plan', '--model', LLAMA, '--length', '999'), 'set to 999 tokens', 'reads 128 at most');
    expectRefusal(polylogue('bench', '--rows', '1,many'), '--rows', 'many');
    expectRefusal(
      polylogue('score', '--model', LLAMA, '--text', 'README.md', '--against', 'bf16'),
      '--against',
      'bf16',
    );
    expectRefusal(
      polylogue('score', '--model', join(LLAMA, 'config.json'), '--ids', '1,2'),
      'config.json',
      'is a file',
    );
  });

  it('says before a run begins that its bundle cannot be written', () => {
    const run = (out: string) => polylogue('run', '--preset', 'arithmetic-tiny', '--engine', 'reference', '--out', out);
    expectRefusal(run(join(scratch, 'nowhere', 'run.zip')), 'run.zip', 'there is no folder');
    expectRefusal(run(scratch), scratch, 'is a folder');
  });

  it('says which adapters a run can keep', () => {
    const run = (...more: string[]) =>
      polylogue('run', '--preset', 'arithmetic-tiny', '--engine', 'reference', ...more);
    expectRefusal(run('--keep-adapters', 'some'), '--keep-adapters', 'all, last, none');
  });

  it('names a truncated safetensors file', () => {
    const dir = brokenModel('truncated', (d) => truncateSync(join(d, 'model.safetensors'), 100));
    expectRefusal(polylogue('score', '--model', dir, '--ids', '1,2'), 'model.safetensors');
  });

  it('names an architecture it does not know', () => {
    const dir = brokenModel('unknown', (d) => {
      const config = JSON.parse(readFileSync(join(d, 'config.json'), 'utf8')) as Record<string, unknown>;
      writeFileSync(join(d, 'config.json'), JSON.stringify({ ...config, architectures: ['MambaForCausalLM'] }));
    });
    expectRefusal(polylogue('score', '--model', dir, '--ids', '1,2'), 'config.json', 'MambaForCausalLM');
  });

  it('names a weight that is not a number', () => {
    const dir = brokenModel('nan', (d) => {
      const file = join(d, 'model.safetensors');
      const tensors = readSafetensors(new Uint8Array(readFileSync(file)), file);
      const norm = tensors.get('model.norm.weight');
      if (norm) norm.data[3] = NaN;
      writeFileSync(file, writeSafetensors(tensors));
    });
    const score = polylogue('score', '--model', dir, '--ids', '1,2', '--engine', 'reference');
    expectRefusal(score, 'model.safetensors', 'model.norm.weight');
  });

  it('names the line of a data file that is not JSON, and ids outside the vocabulary', () => {
    const good = '{"prompt_ids":[1,2],"completion_ids":[3,4]}';
    const train = (file: string): Ended =>
      polylogue('train', '--model', LLAMA, '--data', file, '--out', join(scratch, 'none'), '--engine', 'reference');
    expectRefusal(train(dataFile('broken.jsonl', good, 'nonsense')), 'broken.jsonl', 'line 2', 'not JSON');
    expectRefusal(train(dataFile('large.jsonl', '{"prompt_ids":[1,999],"completion_ids":[3]}')), 'line 1', '999');
    expectRefusal(train(join(scratch, 'absent.jsonl')), 'absent.jsonl', 'no such file');
    expect(existsSync(join(scratch, 'none'))).toBe(false);
  });
});

describe('commands follow the rules of a run', () => {
  /** The trained model with a chat template whose turns end with another token than its texts. */
  function chatModel(name: string): string {
    const dir = join(scratch, name);
    cpSync('tests/fixtures/stories260K', dir, { recursive: true });
    const file = join(dir, 'tokenizer_config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as object;
    // This model ends its sentences with ".", token 426, so a turn ends at the first of them.
    const tokens = JSON.parse(readFileSync(join(dir, 'tokenizer.json'), 'utf8')) as {
      added_tokens: object[];
      model: { vocab: Record<string, number> };
    };
    const id = tokens.model.vocab['.'] as number;
    tokens.added_tokens.push({
      id,
      content: '.',
      special: true,
      normalized: false,
      lstrip: false,
      rstrip: false,
      single_word: false,
    });
    writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify(tokens));
    const chat_template =
      "{% for m in messages %}{{ m['content'] }}{% if m['role'] == 'assistant' %}.{% endif %}{% endfor %}";
    writeFileSync(file, JSON.stringify({ ...config, chat_template }));
    return dir;
  }

  it('stops at the end of the turn that the template names, and leaves it out of the text', () => {
    const args = [
      'generate',
      '--prompt',
      'Once upon a time',
      '--temperature',
      '0',
      '--max-tokens',
      '60',
      '--engine',
      'reference',
      '--json',
    ];
    const [plain] = objects(polylogue(...args, '--model', 'tests/fixtures/stories260K').out);
    expect(plain).toMatchObject({ finish: 'length' });
    const [chat] = objects(polylogue(...args, '--model', chatModel('turns')).out);
    expect(chat?.['finish']).toBe('stop');
    expect(chat?.['text']).toMatch(/named Lily$/);
  });

  const stories = ['--model', 'tests/fixtures/stories260K', '--engine', 'reference'];
  const latin = (): string => {
    const file = join(scratch, 'latin.jsonl');
    writeFileSync(
      file,
      Buffer.from('{"prompt":"a","completion":"b"}\n{"prompt":"caf\xe9","completion":"b"}\n', 'latin1'),
    );
    return file;
  };

  it('refuses bytes that are not UTF-8 with file and line', () => {
    const said = ['latin.jsonl: line 2: is not UTF-8 text; save the file as UTF-8'];
    expectRefusal(polylogue('score', ...stories, '--text', latin()), ...said);
    expectRefusal(polylogue('train', ...stories, '--data', latin(), '--out', join(scratch, 'never')), ...said);
    expect(existsSync(join(scratch, 'never'))).toBe(false);
  });

  it('names line, tokens and limit of an example that the model cannot read', () => {
    const long = dataFile(
      'long.jsonl',
      '{"prompt_ids":[1],"completion_ids":[2]}',
      JSON.stringify({ prompt_ids: [1, 2], completion_ids: Array(600).fill(3) }),
    );
    expectRefusal(
      polylogue('train', ...stories, '--data', long, '--out', join(scratch, 'never')),
      'long.jsonl: line 2: has 602 tokens',
      'reads 512 at most',
    );
  });

  it('says what to do about prompts, ids and numbers out of range', () => {
    expectRefusal(
      polylogue('generate', ...stories, '--ids', '1,900'),
      'token 900',
      'number 2 of',
      '512 tokens, 0 to 511',
    );
    expectRefusal(polylogue('score', ...stories, '--ids', '1'), 'give at least two');
    expectRefusal(
      polylogue('generate', ...stories, '--prompt', 'a', '--max-tokens', '600'),
      'reads 512',
      '--max-tokens 510 at most',
    );
    expectRefusal(
      polylogue('generate', ...stories, '--prompt', 'a', '--seed', '9007199254740993'),
      '--seed',
      'is above 9007199254740991',
    );
    expectRefusal(polylogue('score', ...stories, '--text', scratch), 'is a folder, not a file');
    const empty = join(scratch, 'empty.txt');
    writeFileSync(empty, '');
    expectRefusal(polylogue('score', ...stories, '--text', empty), 'empty.txt is empty');
    expectRefusal(polylogue('run', '--set', 'agents'), '"agents" is not KEY=VALUE');
  });

  it('reads problems from a CSV', () => {
    const table = join(scratch, 'own.csv');
    writeFileSync(table, 'question;answer\n1+1?;2\n');
    expectRefusal(
      polylogue('run', '--preset', 'gsm8k-quick', '--set', 'task=jsonl', '--data', table),
      'own.csv: line 1: separates its columns by semicolons',
    );
    writeFileSync(table, 'question,answer\n1+1?,2\n');
    expectRefusal(
      polylogue('run', '--preset', 'gsm8k-quick', '--set', 'task=jsonl', '--data', table),
      'own.csv: holds 1 problem',
    );
  });
});
