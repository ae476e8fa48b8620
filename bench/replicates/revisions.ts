/**
 * What revisions do with first answers, by agents: how often they stay with the strategy of the agent's own first answer, how many right answers
 * they keep and how many wrong ones they mend.
 *
 *     npx tsx bench/replicates/revisions.ts DIR NAME
 *
 * counts them in the logs that `compare --out DIR` kept, each of which must have the digest that bench/results/comparison/NAME/comparison.json
 * names, and writes bench/results/comparison/NAME/revisions.json.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { RunEvent } from '../../src/events';
import { openBundle } from '../../src/share/openBundle';
import { revisedAnswers } from '../../src/society/episode';
import { strategyOf } from '../../src/tasks/strategies';
import { committed, FOLDER, row, WHO, withSpread } from './tables';

/** Of one learner's held-out problems in one test, over all agents. */
export interface Revisions {
  recipe: string;
  learner: string;
  seed: number;
  iteration: number;
  /** First answers that an agent revised. */
  answers: number;
  /** Revisions that show the strategy of the agent's own first answer. */
  sameStrategy: number;
  /** First answers that are right, and of their revisions those that are. */
  right: number;
  kept: number;
  /** Revisions of wrong first answers that are right. */
  mended: number;
}

/** Of a log of two rounds: each test of the society and of the untouched model. */
export function revisionsIn(events: readonly RunEvent[], recipe: string, seed: number): Revisions[] {
  const found = new Map<string, Revisions>();
  for (const event of events) {
    if (event.type !== 'episode' || event.purpose !== 'evaluation' || event.learner === 'single') continue;
    const { learner, iteration } = event;
    const key = `${learner} ${iteration}`;
    const counts = { recipe, learner, seed, iteration, answers: 0, sameStrategy: 0, right: 0, kept: 0, mended: 0 };
    const one = found.get(key) ?? counts;
    found.set(key, one);
    for (const { before, after } of revisedAnswers(event, 1)) {
      const strategy = strategyOf(before.text);
      one.answers++;
      if (strategy !== null && strategy === strategyOf(after.text)) one.sameStrategy++;
      if (before.right) one.right++;
      if (before.right && after.right) one.kept++;
      if (!before.right && after.right) one.mended++;
    }
  }
  return [...found.values()];
}

/** Mean over seeds ± their standard deviation, in percent. @param name folder of a comparison with `revisions.json` */
export function revisions(name: string): string {
  const all = JSON.parse(readFileSync(join(FOLDER, name, 'revisions.json'), 'utf8')) as Revisions[];
  const head = ['seeds', 'in the own strategy', 'right answers kept', 'wrong answers mended'];
  const rows: [name: string, of: (one: Revisions) => boolean][] = [
    ['the untouched model', ({ recipe, learner }) => recipe === 'equal-steps' && learner === 'base'],
    [
      'agents before they learn',
      ({ recipe, learner, iteration }) => recipe === 'equal-steps' && learner === 'society' && iteration === 0,
    ],
    ...[...new Set(all.map(({ recipe }) => recipe))].map((recipe): (typeof rows)[number] => [
      WHO.find(({ learner }) => learner === `${recipe}/society`)?.name ?? recipe,
      (one) => one.recipe === recipe && one.learner === 'society' && one.iteration > 0,
    ]),
  ];
  return [
    row('revisions by', ...head),
    row('---', ...head.map(() => '---:')),
    ...rows.map(([who, of]) => {
      const these = all.filter(of);
      return row(
        who,
        these.length,
        withSpread(these.map(({ sameStrategy, answers }) => sameStrategy / answers)),
        withSpread(these.map(({ kept, right }) => kept / right)),
        withSpread(these.map(({ mended, answers, right }) => mended / (answers - right))),
      );
    }),
  ].join('\n');
}

function count(directory: string, name: string): void {
  const { logs } = committed(name);
  const counted = readdirSync(join(directory, 'runs'))
    .filter((file) => file.endsWith('.zip'))
    .flatMap((file) => {
      const { events, config, digest } = openBundle(file, readFileSync(join(directory, 'runs', file)));
      const log = logs.find(({ recipe, seed }) => recipe === config.recipe && seed === config.seed);
      if (log?.digest !== digest())
        throw new Error(`${file}: its log is none of ${name}; play the comparison with the page's command`);
      return revisionsIn(events, config.recipe, config.seed);
    })
    .sort((a, b) => a.recipe.localeCompare(b.recipe) || a.seed - b.seed || a.iteration - b.iteration);
  writeFileSync(
    join(FOLDER, name, 'revisions.json'),
    `[\n${counted.map((one) => `  ${JSON.stringify(one)}`).join(',\n')}\n]\n`,
  );
}

const [directory, name] = process.argv.slice(2);
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href && directory && name) count(directory, name);
