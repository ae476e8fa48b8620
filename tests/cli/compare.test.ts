/** Comparisons on the command line: run, interrupted, gone on with, refused. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Comparison } from '../../src/log/comparison';
import { commandLine, expectRefusal, objects, polylogue } from './program';

const scratch = mkdtempSync(join(tmpdir(), 'polylogue-compare-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const FEW = [
  ...['trainProblems=4', 'evaluationProblems=4', 'iterations=1', 'chunk=2', 'finetune.batchSize=4'],
  'majority-finetuning/samples=2',
];
const command = (out: string, ...more: string[]): string[] => [
  'compare',
  ...['--recipes', 'majority-finetuning,debate', '--seeds', '1,2', '--preset', 'arithmetic-tiny'],
  ...['--out', join(scratch, out), '--json', '--engine', 'reference'],
  ...FEW.flatMap((setting) => ['--set', setting]),
  ...more,
];
const comparisonIn = (out: string) =>
  JSON.parse(readFileSync(join(scratch, out, 'comparison.json'), 'utf8')) as Comparison;

/** Presses Ctrl-C when this has been said so often. */
async function interrupted(when: string, times: number, args: string[]): Promise<unknown> {
  const [program, ...rest] = commandLine(...args);
  const child = spawn(program!, rest, { stdio: ['ignore', 'pipe', 'ignore'] });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
    if (!child.killed && out.split(when).length > times) child.kill('SIGINT');
  });
  return new Promise((resolve) => child.on('close', resolve));
}

it('ends after an interruption with the comparison of an undisturbed one, and plays no finished run again', async () => {
  const ended = polylogue(...command('whole'));
  expect(ended.err).toBe('');
  expect(ended.code).toBe(0);
  const last = objects(ended.out).at(-1) as unknown as Comparison & { type: string };
  expect(last.type).toBe('comparison');
  expect(last.methods.map(({ key }) => key)).toEqual(
    expect.arrayContaining(['base/single', 'base/debate', 'majority-finetuning/singleAgentMajority']),
  );
  expect(last.methods.find(({ key }) => key === 'majority-finetuning/singleAgentMajority')?.calls).toBe(2);
  for (const { runs } of last.methods) expect(runs.map(({ seed }) => seed)).toEqual([1, 2]);
  for (const file of ['md', 'svg', 'csv', 'json'])
    expect(existsSync(join(scratch, 'whole', `comparison.${file}`))).toBe(true);

  // Within the second run, after its base was tested.
  expect(await interrupted('"type":"evaluation","iteration":0', 2, command('parts'))).toBe(130);
  const runs = (name: string) => join(scratch, 'parts', 'runs', name);
  expect(existsSync(runs('majority-finetuning-seed-1.zip'))).toBe(true);
  expect(existsSync(runs('majority-finetuning-seed-2.unfinished.zip'))).toBe(true);
  const before = statSync(runs('majority-finetuning-seed-1.zip')).mtimeMs;
  const again = polylogue(...command('parts'));
  expect(again.code).toBe(0);
  expect(statSync(runs('majority-finetuning-seed-1.zip')).mtimeMs).toBe(before);
  expect(existsSync(runs('majority-finetuning-seed-2.unfinished.zip'))).toBe(false);
  expect(comparisonIn('parts')).toEqual(comparisonIn('whole'));

  // Everything is there: nothing is computed, whatever the engine.
  const third = polylogue(...command('parts'));
  expect(objects(third.out).filter(({ type }) => type === 'evaluation')).toEqual([]);
  expectRefusal(polylogue(...command('parts', '--set', 'sampling.temperature=2')), 'seed-1.zip', 'other settings');
}, 600_000);

it.each([
  ['an unknown recipe', ['--recipes', 'moon'], ['recipe: "moon" is unknown', 'majority']],
  ['an unknown preset', ['--preset', 'moon'], ['preset: "moon" is unknown', 'arithmetic-tiny']],
  ['seeds that are none', ['--seeds', '1,x'], ['--seeds: "x" is not a seed']],
  ['a seed that stands twice', ['--seeds', '1,1'], ['1 stands twice']],
  ['a recipe that stands twice', ['--recipes', 'star,star'], ['star stands twice']],
  ['a setting of no recipe', ['--set', 'moon=1'], ['moon: is a setting of none of these recipes']],
  [
    'a setting of a recipe that is not compared',
    ['--set', 'star/iterations=2'],
    ['star/iterations: star is not compared here'],
  ],
  ['a setting that a recipe has not', ['--set', 'debate/samples=2'], ['debate/samples: debate has no such setting']],
  ['a folder that is a file', ['--out', 'package.json'], ['package.json', 'is a file']],
])('refuses %s', (_, options, words) => {
  expectRefusal(polylogue(...command('refused'), ...options), ...words);
  expect(existsSync(join(scratch, 'refused'))).toBe(false);
});

it('needs recipes, seeds and a folder', () => {
  expectRefusal(polylogue('compare', '--json', '--seeds', '1', '--out', scratch), '--recipes is missing');
  expectRefusal(polylogue('compare', '--json', '--recipes', 'star', '--out', scratch), '--seeds is missing');
  expectRefusal(polylogue('compare', '--json', '--recipes', 'star', '--seeds', '1'), '--out is missing');
});
