/** Recorded runs for the views: logs of a runtime without a model, put into the browser's database as the lab stores them. */
import type { Page } from 'playwright';
import { drawUniform } from '../../src/random';
import type { RunEvent } from '../../src/events';
import { LogDigest } from '../../src/log/digest';
import { resolveConfig } from '../../src/recipes/resolve';
import type { RunConfig } from '../../src/recipes/config';
import type { Answer, Question } from '../../src/runtimes/types';
import type { RunRecord } from '../../src/store/types';
import { FakeRuntime, logOf } from '../recipes/fakeRuntime';

export interface Recorded {
  record: RunRecord;
  events: RunEvent[];
}

/** Answers with chains as long as the embedded model's, one token a character. */
class ChattyRuntime extends FakeRuntime {
  override async ask(questions: Question[]): Promise<Answer[]> {
    const responses = await super.ask(questions);
    // Kept for nothing here, and a large run has many.
    this.asked.length = 0;
    return responses.map((response, i) => lengthened(response, questions[i]!));
  }
}

function lengthened(response: Answer, { draw, messages }: Question): Answer {
  const [, a, b, c, d, e, f] = /^(\d)\+(\d)\*(\d)\+(\d)-(\d)\*(\d)/.exec(messages[0]?.content ?? '')?.map(Number) ?? [];
  const product = (b ?? 0) * (c ?? 0);
  const other = (e ?? 0) * (f ?? 0);
  const steps = [
    `${b}*${c}=${product}`,
    `${e}*${f}=${other}`,
    `${a}+${product}=${(a ?? 0) + product}`,
    `${d}-${other}`,
  ];
  const answer = response.text.split('#')[1];
  const text = answer === undefined ? steps.join(';') : `${steps.join(';')}#${answer}`;
  const tokens = text.length + 1;
  const luck = Array.from({ length: tokens }, (_, token) => drawUniform({ seed: 5, ...draw }, token + 1));
  return {
    ...response,
    text,
    tokens,
    ids: Array.from({ length: tokens }, (_, at) => text.charCodeAt(at) || 0),
    logprobs: luck.map((u) => -Math.round(1000 * u ** 6) / 1000),
    margins: luck.map((u) => Math.round(100 * (6 - 6 * u ** 4)) / 100),
  };
}

/** A finished run of these settings. `age` orders the list: larger is older, in minutes. */
export async function recordedRun(
  name: string,
  settings: Record<string, string | number | boolean>,
  age = 0,
  preset = 'arithmetic-tiny',
): Promise<Recorded> {
  const config: RunConfig = resolveConfig(preset, settings);
  const events = await logOf(new ChattyRuntime(), config);
  const digest = new LogDigest();
  for (const event of events) digest.add(event);
  const created = Date.now() - 60_000 * age;
  const record: RunRecord = {
    schema: 1,
    id: name.replaceAll(' ', '-'),
    name,
    created,
    updated: created,
    config,
    status: 'finished',
    error: null,
    progress: 1,
    events: events.length,
    digest: digest.hex,
    engine: 'fake: none',
  };
  return { record, events };
}

/** Puts runs into the database of the page's origin and loads the page again. The page must have been opened before. */
export async function store(page: Page, runs: readonly Recorded[]): Promise<void> {
  // Too large for the debugging connection: the page fetches them.
  await page.route('**/recorded.jsonl', (route) =>
    route.fulfill({
      contentType: 'application/x-ndjson',
      body: runs
        .flatMap(({ record, events }) => [{ record }, ...events.map((event) => ({ event }))])
        .map((line) => JSON.stringify(line))
        .join('\n'),
    }),
  );
  await page.evaluate(async () => {
    const lines = (await (await fetch('recorded.jsonl')).text()).split('\n');
    const db = await new Promise<IDBDatabase>((resolve, reject) => {
      const opening = indexedDB.open('polylogue');
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error!);
    });
    const transaction = db.transaction(['runs', 'events', 'evaluations'], 'readwrite', { durability: 'relaxed' });
    let run = '';
    let index = 0;
    for (const line of lines) {
      const { record, event } = JSON.parse(line) as { record?: RunRecord; event?: RunEvent };
      if (record) {
        transaction.objectStore('runs').put(record);
        run = record.id;
        index = 0;
      } else if (event) {
        // As the store keeps them: the text of the event.
        transaction.objectStore('events').put(line.slice('{"event":'.length, -1), [run, index++]);
        if (event.type === 'evaluation')
          transaction.objectStore('evaluations').put(event, [run, event.iteration, event.learner]);
      }
    }
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onerror = () => reject(transaction.error!);
    });
    db.close();
  });
  await page.unroute('**/recorded.jsonl');
  await page.reload();
}
