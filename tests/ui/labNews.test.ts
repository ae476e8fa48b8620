/** What the page knows of stored runs: a list that was read before a message came says nothing against the message. */
import { expect, it, vi } from 'vitest';
import type { StoredRuns } from '../../src/lab/types';
import type { RunRecord } from '../../src/store/types';

// Runes are a compiler's words; here a piece of state is the value itself.
vi.stubGlobal(
  '$state',
  Object.assign(<T>(value: T): T => value, { raw: <T>(value: T): T => value }),
);
const { LabNews } = await import('../../src/ui/labNews.svelte');

const run = (id: string, status: RunRecord['status']): RunRecord => ({ id, name: id, status }) as RunRecord;
const listOf = (runs: RunRecord[], interrupted: string[] = []): StoredRuns =>
  ({ runs, interrupted, damaged: {}, scores: {}, elsewhere: null }) as unknown as StoredRuns;

/** A page whose questions for the list are answered when the test says so. */
function page() {
  const asked: ((answer: StoredRuns) => void)[] = [];
  const never = () => Promise.reject(new Error('not asked here'));
  const news = new LabNews({
    runs: () => new Promise<StoredRuns>((resolve) => asked.push(resolve)),
    run: never,
    lines: never,
  });
  const statuses = () => news.runs.map(({ id, status }) => `${id} ${status}`);
  return { news, asked, statuses };
}

it('keeps the end of a run that came while the list was read', async () => {
  const { news, asked, statuses } = page();
  news.hear({ type: 'run', run: run('a', 'running') });
  const reading = news.refresh();
  news.hear({ type: 'run', run: run('a', 'finished') });
  asked[0]!(listOf([run('a', 'running'), run('b', 'finished')], ['a']));
  await reading;
  expect(statuses()).toEqual(['a finished', 'b finished']);
  expect(news.interrupted).toEqual([]);
  // A list that was asked for afterwards counts.
  const later = news.refresh();
  asked[1]!(listOf([run('a', 'stopped')]));
  await later;
  expect(statuses()).toEqual(['a stopped']);
});

it('keeps a run that began, and leaves out one that was deleted, while the list was read', async () => {
  const { news, asked, statuses } = page();
  news.hear({ type: 'run', run: run('old', 'finished') });
  const reading = news.refresh();
  news.hear({ type: 'run', run: run('new', 'running') });
  news.hear({ type: 'deleted', runId: 'old' });
  asked[0]!(listOf([run('old', 'finished'), run('kept', 'finished')]));
  await reading;
  expect(statuses()).toEqual(['new running', 'kept finished']);
});

it('lets no answer to an older question replace that to a newer one', async () => {
  const { news, asked, statuses } = page();
  const [older, newer] = [news.refresh(), news.refresh()];
  asked[1]!(listOf([run('a', 'finished')]));
  await newer;
  asked[0]!(listOf([run('a', 'running')], ['a']));
  await older;
  expect(statuses()).toEqual(['a finished']);
  expect(news.interrupted).toEqual([]);
});
