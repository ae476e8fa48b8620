/** What goes out to other programs: the texts that were learnt, tables with names, safe files, pictures that lead back. */
import { deflateSync, strToU8 } from 'fflate';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { recipes } from '../../src/recipes';
import type { RunConfig } from '../../src/recipes/config';
import { resolveConfig } from '../../src/recipes/resolve';
import type { FinetuneExample } from '../../src/runtimes/types';
import { ExportError } from '../../src/share/errors';
import { fileName, pathPart, pathParts } from '../../src/share/exports/names';
import { linkInPicture, pictureKind, pngWithNote, type PictureNote } from '../../src/share/exports/picture';
import { LARGEST_PAGE, replayPage, runInPage } from '../../src/share/exports/page';
import { resultFiles } from '../../src/share/exports/results';
import { trainingSets } from '../../src/share/exports/sets';
import { jsonLines, setPaths, trlFiles, trlLines, type TrlLine } from '../../src/share/exports/trl';
import { adapterPaths } from '../../src/share/exports/peft';
import { licencesOf } from '../../src/share/licences';
import { linkOfRun } from '../../src/share/runLink';
import { decodeLink } from '../../src/share/link';
import { readCsv } from '../../src/tasks/csv';
import { createRng } from '../../tools/soak/rng';
import { FakeRuntime, logOf } from '../recipes/fakeRuntime';
import { started } from '../ui/logs';

/** A small run of a recipe, and what its runtime was given to learn. */
async function played(
  recipe: string,
  settings: Record<string, string | number> = {},
): Promise<{ events: RunEvent[]; runtime: FakeRuntime; config: RunConfig }> {
  const runtime = new FakeRuntime();
  const config = resolveConfig('arithmetic-tiny', { seed: 3, ...settings }, recipe);
  return { events: await logOf(runtime, config), runtime, config };
}

/** Recipes that play on arithmetic without a person. */
const RECIPES = recipes()
  .filter(({ presets }) => Object.hasOwn(presets, 'arithmetic-tiny'))
  .map(({ id }) => id);

const lines = (text: string): TrlLine[] =>
  text
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as TrlLine);

describe('data sets', () => {
  it.each(RECIPES)('of %s are what its agents learnt, text by text', async (recipe) => {
    const { events, runtime } = await played(recipe);
    const sets = trainingSets(events);
    const tracks = runtime.trained.flatMap(({ job, tracks }) => tracks.map((track) => ({ job, ...track })));
    expect(sets.map(({ job, adapter }) => `${job} ${adapter}`)).toEqual(
      tracks.map(({ job, adapter }) => `${job} ${adapter}`),
    );
    const text = ({ messages, completion, weight = 1 }: FinetuneExample) => ({ messages, completion, weight });
    sets.forEach(({ examples }, at) => {
      const { pairs, examples: learnt } = tracks[at]!;
      const chosen = pairs ? pairs.map(({ chosen }) => learnt[chosen]!) : learnt;
      // KTO reads whether a text is wanted, not a weight.
      const plain = (example: FinetuneExample) =>
        chosen.some(({ desirable }) => desirable !== undefined) ? text({ ...example, weight: 1 }) : text(example);
      expect(examples.map(plain)).toEqual(chosen.map(plain));
      expect(examples.map(({ tokenWeights }) => tokenWeights)).toEqual(chosen.map(({ tokenWeights }) => tokenWeights));
      if (pairs)
        expect(examples.map(({ rejected }) => text(rejected!))).toEqual(pairs.map((p) => text(learnt[p.rejected]!)));
    });
  });

  it('have the columns of their objective, and say where each line is from', async () => {
    const { events } = await played('multiagent-finetuning');
    const set = trainingSets(events).find(({ examples }) => examples.length > 0)!;
    const [line] = trlLines(set, 'prompt-completion');
    expect(Object.keys(line!)).toEqual([
      ...['prompt', 'completion', 'problem', 'kind', 'vote', 'iteration', 'agent', 'job', 'said_by', 'weight', 'cut'],
    ]);
    expect(line).toMatchObject({ iteration: set.iteration, agent: set.adapter, job: set.job, weight: 1 });
    expect(line!.prompt).toEqual(set.examples[0]!.messages);
    expect(line!.completion).toEqual([{ role: 'assistant', content: set.examples[0]!.completion }]);
    expect(line!.vote).toBe(set.examples[0]!.vote!.answer);
    const [whole] = trlLines(set, 'messages');
    expect(whole!.messages).toEqual([...line!.prompt!, ...line!.completion!]);
    expect(whole).not.toHaveProperty('prompt');
  });

  it.each([
    ['dpo', { 'update.rule': 'dpo' }, ['prompt', 'chosen', 'rejected']],
    ['kto', { 'update.rule': 'kto' }, ['prompt', 'completion', 'label']],
  ])('for %s have its columns', async (kind, settings, columns) => {
    const { events } = await played('multiagent-finetuning', { ...settings, trainProblems: 24 });
    const files = trlFiles(events);
    const all = lines(files[`all-${kind}.jsonl`]!);
    expect(all.length).toBeGreaterThan(0);
    for (const line of all) expect(Object.keys(line).slice(0, columns.length)).toEqual(columns);
    if (kind === 'kto') expect(new Set(all.map(({ label }) => label))).toEqual(new Set([true, false]));
  });

  it('are a file for each agent and iteration, and one of all', async () => {
    const { events } = await played('multiagent-finetuning');
    const files = trlFiles(events);
    const sets = trainingSets(events);
    expect(Object.keys(files).sort()).toEqual(['README.md', 'all-sft.jsonl', ...setPaths(sets)].sort());
    const apart = sets.map((set, at) => files[setPaths(sets)[at]!]);
    expect(files['all-sft.jsonl']).toBe(apart.join(''));
    expect(apart).toEqual(sets.map((set) => jsonLines(set)));
    expect(files['README.md']).toContain('| iteration-1/generator-0.jsonl | 1 | generator-0 | finetune/1 | sft |');
  });

  it('that name a turn which the log does not hold are refused', async () => {
    const { events } = await played('multiagent-finetuning');
    const without = events.filter((event) => event.type !== 'episode' || event.purpose !== 'train');
    expect(() => trainingSets(without)).toThrow(ExportError);
    expect(() => trainingSets(without)).toThrow(/names turn \d+ of problem \d+, which is not in the log/);
    expect(() => trainingSets([])).toThrow(/does not begin with a run/);
  });
});

describe('results', () => {
  it('are tables whose columns have names, and whose numbers are those of the log', async () => {
    const { events } = await played('multiagent-finetuning');
    const link = linkOfRun(events);
    const files = resultFiles(events, { name: 'brisk finch', link });
    const [head, ...rows] = readCsv('accuracy.csv', files['accuracy.csv']!).map(({ cells }) => cells);
    const at = (name: string) => head!.indexOf(name);
    for (const name of ['iteration', 'method', 'n', 'accuracy', 'standard_error', 'interval_low', 'interval_high'])
      expect(at(name), name).toBeGreaterThanOrEqual(0);
    expect(rows.length).toBeGreaterThan(5);
    for (const row of rows) {
      const [right, n, accuracy] = ['right', 'n', 'accuracy'].map((name) => Number(row[at(name)]));
      expect(accuracy).toBeCloseTo(right! / n!, 12);
      expect(Number(row[at('interval_low')])).toBeLessThanOrEqual(accuracy!);
      expect(Number(row[at('interval_high')])).toBeGreaterThanOrEqual(accuracy!);
    }
    const json = JSON.parse(files['results.json']!) as { link: string; iterations: unknown[]; digest: string };
    expect(decodeLink(json.link).link.receipt!.digest).toBe(json.digest);
    expect(files['results.md']).toContain(`To repeat it: \`${link}\``);
    expect(files['training.csv']!.split('\r\n')[0]).toBe(
      'iteration,job,adapter,step,loss,gradient_norm,learning_rate,tokens',
    );
    expect(files['datasets.csv']).toMatch(
      /^iteration,job,adapter,objective,kind,examples,candidates\r\n1,finetune\/1,/,
    );
  });

  it('guard cells and tables against what names hold', async () => {
    const { events } = await played('multiagent-finetuning');
    const hostile = structuredClone(events);
    const first = hostile[0] as Extract<RunEvent, { type: 'run-started' }>;
    first.methods[0]!.label = '=HYPERLINK("http://a.example","x")';
    const files = resultFiles(hostile, { name: '| a\n# <img src=x>', link: null });
    expect(files['accuracy.csv']).toContain(`"'=HYPERLINK(""http://a.example"",""x"")"`);
    expect(files['results.md']).toMatch(/^# a # img src=x\n/);
  });
});

describe('names of files', () => {
  it.each([
    ['../../etc/passwd', 'etc-passwd'],
    ['C:\\Windows\\x', 'c-windows-x'],
    ['', 'unnamed'],
    ['..', 'unnamed'],
    ['con', 'unnamed-con'],
    ['Lpt1', 'unnamed-lpt1'],
    ['naïve\u202egnp.exe', 'nai-ve-gnp-exe'],
    ['a'.repeat(300), 'a'.repeat(80)],
  ])('%j becomes %s', (name, part) => expect(pathPart(name)).toBe(part));

  it('that would be alike stay apart', () => {
    expect([...pathParts(['a/b', 'a b', 'A-B', 'c']).values()]).toEqual(['a-b', 'a-b-2', 'a-b-3', 'c']);
    expect(fileName('brisk finch: Accuracy', 'svg')).toBe('brisk-finch-accuracy.svg');
    const versions = ['x/../y', 'x y'].map((name) => ({ name, iteration: 1, job: 'j' }));
    expect([...adapterPaths(versions).values()]).toEqual(['iteration-1/x-y', 'iteration-1/x-y-2']);
  });
});

describe('a picture', () => {
  /** The smallest PNG: header, one pixel, end. */
  const png = Uint8Array.from(
    Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    ),
  );
  const note: PictureNote = {
    title: 'Accuracy',
    runs: [
      { name: 'brisk finch <&"', settings: 'seed 3', link: null },
      { name: 'calm heron', settings: 'seed 4', link: '#1abc-_' },
    ],
    errors: '± standard error',
  };

  it('carries its note as a PNG, and stays a PNG', () => {
    const noted = pngWithNote(png, note);
    expect(pictureKind(noted)).toBe('png');
    expect(linkInPicture(noted)).toBe('#1abc-_');
    const text = Buffer.from(noted).toString('utf8');
    expect(text).toContain('Error bars: ± standard error.');
    // The chunks of the picture itself are all there, in order.
    expect(Buffer.from(noted).subarray(0, 33)).toEqual(Buffer.from(png).subarray(0, 33));
    expect(Buffer.from(noted).subarray(-(png.length - 33))).toEqual(Buffer.from(png).subarray(33));
  });

  it('carries its note as an SVG', () => {
    const escaped = JSON.stringify(note).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    const svg = `<svg xmlns="http://www.w3.org/2000/svg"><metadata id="polylogue">${escaped}</metadata></svg>`;
    expect(linkInPicture(strToU8(svg))).toBe('#1abc-_');
  });

  it.each([
    ['another PNG', png],
    ['a torn PNG', pngWithNote(png, note).slice(0, 200)],
    ['another SVG', strToU8('<svg xmlns="http://www.w3.org/2000/svg"/>')],
    [
      'a note that is no note',
      strToU8('<svg><metadata id="polylogue">{"runs":[{"link":"javascript:alert(1)"}]}</metadata></svg>'),
    ],
    ['what is no JSON', strToU8('<svg><metadata id="polylogue">{</metadata></svg>')],
    ['no picture', strToU8('{"type":"run-started"}')],
  ])('%s leads nowhere', (_, bytes) => expect(linkInPicture(bytes)).toBeNull());
});

it('2,000 mutated pictures lead somewhere or nowhere, without an error', () => {
  const { int, pick } = createRng(23, 'pictures');
  const note: PictureNote = { title: 'x', runs: [{ name: 'x', settings: 'x', link: '#1abc' }], errors: null };
  const png = pngWithNote(
    Uint8Array.from([137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 0, 73, 72, 68, 82, 0, 0, 0, 0]),
    note,
  );
  const svg = strToU8(`<svg><metadata id="polylogue">${JSON.stringify(note)}</metadata></svg>`);
  expect([png, svg].map(linkInPicture)).toEqual(['#1abc', '#1abc']);
  const found = new Set<string | null>();
  for (let round = 0; round < 2_000; round++) {
    const bytes = pick([png, svg]).slice();
    const changes = 1 + int(3);
    for (let change = 0; change < changes; change++) bytes[int(bytes.length)] = int(256);
    found.add(linkInPicture(int(4) === 0 ? bytes.subarray(0, int(bytes.length)) : bytes));
  }
  expect(found).toContain(null);
  for (const link of found) if (link !== null) expect(link).toMatch(/^#[\w-]+$/);
});

describe('a page', () => {
  const template = '<title><!--title--></title><body><!--run--></body>';
  const packedIn = (page: string) => /id="run">([^<]*)</.exec(page)![1]!;

  it('holds the run, whatever its name', async () => {
    const { events } = await played('multiagent-finetuning');
    const name = '</title><script>alert(1)</script> $& $1';
    const page = replayPage(template, { name, link: '#1abc', events });
    expect(page).toContain('<title>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt; $&amp; $1</title>');
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(runInPage(packedIn(page))).toEqual({ name, link: '#1abc', events });
  });

  it('that would be too large is refused', () => {
    const long = 'x'.repeat(LARGEST_PAGE) + template;
    expect(() => replayPage(long, { name: 'x', link: null, events: [started()] })).toThrow(
      /25 MB are the most\. Share the bundle/,
    );
  });

  it.each([
    ['nothing', ''],
    ['no base64', '%%%'],
    ['no deflate stream', 'AAAA'],
    ['no run', Buffer.from(deflateSync(strToU8('{"name":"x","link":null}'))).toString('base64')],
    ['a damaged run', Buffer.from(deflateSync(strToU8('{}\n{"type":"run-started"}'))).toString('base64')],
  ])('with %s says so', (_, packed) => expect(() => runInPage(packed)).toThrow(/holds no run that can be read/));
});

describe('licences', () => {
  it('say what is known and what is not', () => {
    const own = licencesOf(started());
    expect(own).toContain('comes with Polylogue, under the MIT licence');
    expect(own).toContain('Nobody else has rights in them');
    const other = started({
      model: 'some/model',
      task: 'gsm8k',
      'data.name': 'train.jsonl',
      'data.sha256': 'a'.repeat(64),
    });
    expect(licencesOf(other)).toContain('Its licence is on its model card; Polylogue does not know it');
    expect(licencesOf(other)).toContain('from the file train.jsonl');
  });
});
