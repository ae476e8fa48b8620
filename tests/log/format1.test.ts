/** Logs that the first log format wrote: they verify and give their results for ever. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/log/digest';
import { castOf } from '../../src/log/lift';
import { readEvents } from '../../src/log/read';
import { resultsOf } from '../../src/log/results';
import { recipeNamed } from '../../src/recipes';
import { PRESET_NAMES } from '../../src/recipes/presets';
import { LOGPROB_SCALE, MARGIN_SCALE, unpackNumbers } from '../../src/pack';

const FOLDER = 'tests/fixtures/logs/format1';
const digests = JSON.parse(readFileSync(join(FOLDER, 'digests.json'), 'utf8')) as Record<string, string>;

it('has logs of presets that are still known', () => {
  expect(PRESET_NAMES).toEqual(expect.arrayContaining(Object.keys(digests)));
});

describe.each(Object.entries(digests))('%s', (preset, digest) => {
  const lines = readFileSync(join(FOLDER, `${preset}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n');
  const originals = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const events = readEvents(lines);

  it('verifies against the digest that its run recorded', () => {
    expect(digestOf(originals)).toBe(digest);
  });

  it('gives the results that were computed then', () => {
    const recorded: unknown = JSON.parse(readFileSync(join(FOLDER, `${preset}.results.json`), 'utf8'));
    expect(JSON.parse(JSON.stringify(resultsOf(events)))).toEqual(recorded);
  });

  it('loses nothing that it said', () => {
    const debates = originals.filter(({ type }) => type === 'debate') as unknown as Debate1[];
    const episodes = events.filter((event) => event.type === 'episode');
    expect(episodes.length).toBe(debates.length);
    episodes.forEach((episode, at) => {
      const { responses, summaries = [], votes } = debates[at] as Debate1;
      const said = (kinds: string[]) => episode.turns.filter(({ kind }) => kinds.includes(kind));
      const unpacked = (turn: (typeof episode.turns)[number]) => ({
        text: turn.text,
        finish: turn.finish,
        tokens: turn.tokens,
        logprobs: unpackNumbers(turn.logprobs ?? '', LOGPROB_SCALE),
        margins: unpackNumbers(turn.margins ?? '', MARGIN_SCALE),
        ...(turn.shortened && { shortened: turn.shortened }),
        ...(turn.answer !== undefined && { answer: turn.answer }),
      });
      expect(said(['answer', 'revision']).map(unpacked)).toEqual(responses.flat());
      expect(said(['summary']).map(unpacked)).toEqual(summaries.flat());
      expect(episode.verdicts.map(({ answer, count, tied }) => ({ answer, count, tied }))).toEqual(votes);
    });
  });

  it('has the cast that multiagent finetuning has for its settings', () => {
    const [started] = events;
    if (started?.type !== 'run-started') throw new Error('no run');
    const lifted = castOf(started.config as unknown as Parameters<typeof castOf>[0]);
    expect(recipeNamed('multiagent-finetuning').cast(started.config)).toEqual(lifted);
  });
});

interface Debate1 {
  responses: object[][];
  summaries?: object[][];
  votes: object[];
}
