/** `verify`: a bundle's claims, units done again, the whole run done again; and what was tampered with is named. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strFromU8, strToU8, unzipSync, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal, objects, polylogue } from './program';
import { writeSmallBundle } from './smallBundle';

let scratch = '';
let bundle = '';
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'polylogue-verify-'));
  bundle = join(scratch, 'run.zip');
  writeSmallBundle(bundle);
}, 600_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

type Files = Record<string, Uint8Array>;
const filesOf = (): Files => unzipSync(new Uint8Array(readFileSync(bundle)));

/** The bundle with a change in it. */
function changed(name: string, change: (files: Files) => void): string {
  const files = filesOf();
  change(files);
  const file = join(scratch, name);
  writeFileSync(file, zipSync(files, { level: 0 }));
  return file;
}

function edit(files: Files, name: string, from: string | RegExp, to: string): void {
  const text = strFromU8(files[name]!);
  const other = text.replace(from, to);
  expect(other).not.toBe(text);
  files[name] = strToU8(other);
}

function verify(file: string, ...more: string[]): { code: number | null; verdict: string; failed: string[] } {
  const { code, out, err } = polylogue('verify', file, '--json', ...more);
  expect(err).toBe('');
  const report = objects(out)[0] as {
    verdict: string;
    checks: { check: string; ok: boolean | null; detail: string }[];
  };
  const failed = report.checks.filter(({ ok }) => ok === false).map(({ check, detail }) => `${check}: ${detail}`);
  return { code, verdict: report.verdict, failed };
}

describe('an honest bundle', () => {
  it('holds what it claims', () => {
    expect(verify(bundle)).toEqual({ code: 0, verdict: 'claims-hold', failed: [] });
  });

  it('gives the same answers and adapters in a spot check', () => {
    expect(verify(bundle, '--mode', 'spot-check', '--units', '4', '--workers', '2')).toEqual({
      code: 0,
      verdict: 'claims-hold',
      failed: [],
    });
  });

  it('is the same byte for byte when it is run again', () => {
    expect(verify(bundle, '--mode', 'run-again')).toEqual({ code: 0, verdict: 'same-bytes', failed: [] });
  });

  it('has a receipt that a link carries', () => {
    const { code, out } = polylogue('link', 'encode', '--log', bundle);
    expect(code).toBe(0);
    const decoded = objects(polylogue('link', 'decode', out.trim(), '--json').out)[0] as {
      receipt: unknown;
      seed: number;
    };
    expect(decoded.receipt).toEqual(JSON.parse(strFromU8(filesOf()['receipt.json']!)));
    expect(decoded.seed).toBe(3);
  });
});

describe('what was tampered with is named', () => {
  it.each([
    ['receipt.json', /"right": \[\s*\d+/, '"right": [\n        3000', /the receipt: .*the right answers of single/],
    ['results.json', /"right": \d+/, '"right": 3000', /the results/],
    ['run.json', /"digest": "\w/, '"digest": "z', /the digest of the log/],
  ])('%s', (name, from, to, words) => {
    const file = changed('tampered.zip', (files) => edit(files, name, from, to));
    const { code, verdict, failed } = verify(file);
    expect({ code, verdict }).toEqual({ code: 1, verdict: 'claims-fail' });
    expect(failed.join('\n')).toMatch(words);
  });

  it('a byte of an adapter', () => {
    const file = changed('adapter.zip', (files) => {
      const name = Object.keys(files).find((entry) => entry.endsWith('adapter_model.safetensors'))!;
      files[name]![files[name]!.length - 3]! ^= 1;
    });
    const { code, failed } = verify(file);
    expect(code).toBe(1);
    expect(failed.join()).toMatch(/the adapters: changed since the run: critic-0 of iteration 1/);
  });

  it('a vote of the log, with digest, receipt and results made to fit', () => {
    const file = changed('vote.zip', (files) => {
      edit(files, 'log.jsonl', /"by":"vote","count":\d/, '"by":"vote","count":9');
      delete files['receipt.json'];
      delete files['results.json'];
      delete files['run.json'];
    });
    expect(verify(file).failed.join()).toMatch(/votes, data sets and scores follow from the answers: .*verdicts/);
  });

  it('an answer of the log: a spot check of all answers finds it', () => {
    const file = changed('answer.zip', (files) => {
      // The last answer of the log is evaluated and nothing follows from its log-probabilities.
      const lines = strFromU8(files['log.jsonl']!).trimEnd().split('\n');
      const at = lines.findLastIndex((line) => line.includes('"ids":"'));
      lines[at] = lines[at]!.replace(/"ids":"(\w)(\w)/, '"ids":"$2$1');
      files['log.jsonl'] = strToU8(`${lines.join('\n')}\n`);
      for (const name of ['receipt.json', 'results.json', 'run.json']) delete files[name];
    });
    const { code, failed } = verify(file, '--mode', 'spot-check', '--units', '1000');
    expect(code).toBe(1);
    expect(failed.join()).toMatch(/answer evaluation\//);
  });

  it('another model', () => {
    const file = changed('model.zip', (files) => {
      edit(
        files,
        'log.jsonl',
        /"hash":"\w{64}","name":"arithmetic-0.4m"/,
        `"hash":"${'b'.repeat(64)}","name":"arithmetic-0.4m"`,
      );
      for (const name of ['receipt.json', 'results.json', 'run.json']) delete files[name];
    });
    expectRefusal(polylogue('verify', file, '--mode', 'run-again'), 'is another model', 'b'.repeat(64));
  });
});

describe('a run with a second model that does not come with the lab', () => {
  let larger = '';
  let run = '';
  const spotCheck = ['--mode', 'spot-check', '--units', '2'];
  beforeAll(() => {
    larger = join(scratch, 'models', 'larger');
    cpSync('static/models/strategies-0.6m', larger, { recursive: true });
    run = join(scratch, 'second.zip');
    const settings = ['teacher=model', `teacherModel=${larger}`, 'judge=likelihood', 'samples=2', 'iterations=1'];
    const few = ['trainProblems=4', 'evaluationProblems=2', 'chunk=2', 'finetune.batchSize=4'];
    const preset = [
      '--recipe',
      'preference-loop',
      '--preset',
      'strategies-tiny',
      '--engine',
      'exact',
      '--workers',
      '1',
    ];
    const ended = polylogue('run', ...preset, ...[...settings, ...few].flatMap((one) => ['--set', one]), '--out', run);
    expect(ended.code, ended.err).toBe(0);
  }, 600_000);

  it('is done again with the folder that --set names', () => {
    const expected = { code: 0, verdict: 'claims-hold', failed: [] };
    expect(verify(run, ...spotCheck, '--set', `teacherModel=${larger}`)).toEqual(expected);
  });

  it('says what to give where the folder is not found, holds another model, or is given for another setting', () => {
    expectRefusal(
      polylogue('verify', run, ...spotCheck),
      'larger: there is no such folder; say where it lies with --set teacherModel=DIR',
    );
    const other = join(scratch, 'other');
    cpSync('static/models/strategies-0.25m', other, { recursive: true });
    expectRefusal(
      polylogue('verify', run, ...spotCheck, '--set', `teacherModel=${other}`),
      `${other}: is another model: its weights have the sha-256`,
    );
    expectRefusal(
      polylogue('verify', run, '--set', `studentModel=${larger}`),
      '--set studentModel: the settings are the run’s, and here it takes teacherModel=DIR alone; leave it out',
    );
    expectRefusal(polylogue('verify', bundle, '--set', 'agents=2'), 'this run has no second model');
  });

  it('says what to give where the run’s own model is not found', () => {
    expectRefusal(
      polylogue('verify', bundle, ...spotCheck, '--model', join(scratch, 'nowhere')),
      'nowhere: there is no such folder; say where it lies with --model DIR',
    );
    const both = ['--model', scratch, '--set', `model=${scratch}`];
    expectRefusal(polylogue('verify', bundle, ...both), '--model and --set model=… say the same');
  });
});

describe('what is no bundle', () => {
  it.each([
    ['nothing', [], 'give the bundle'],
    ['no file', ['/nowhere/run.zip'], 'no such file'],
    [
      'an address without its sha-256',
      ['https://host.example/run.zip'],
      'give the sha-256 of the file with --sha256 HEX',
    ],
    ['an http address', ['http://host.example/run.zip', '--sha256', 'a'.repeat(64)], 'is no https address'],
    ['a file with another sha-256', ['package.json', '--sha256', 'a'.repeat(64)], `not ${'a'.repeat(64)}`],
    ['an unknown mode', ['x.zip', '--mode', 'trust-me'], 'none of receipt, spot-check, run-again'],
  ])('%s is refused', (_, args, words) => expectRefusal(polylogue('verify', ...args), words));
});
