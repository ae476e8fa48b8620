/** A society of three runtimes: the engine learns, transformers.js and a scripted server play beside it; killed, resumed and finished. */
import { readFile } from 'node:fs/promises';
import { strFromU8, unzipSync } from 'fflate';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { replayed } from '../../src/lab/stored/verify';
import { readEvents } from '../../src/log/read';
import { resolveConfig } from '../../src/recipes/resolve';
import { encodeLink, linkOf } from '../../src/share/link';
import { arithmetic } from '../../src/tasks/arithmetic';
import { of } from '../recipes/fakeRuntime';
import { endpointServer, type EndpointServer } from '../runtimes/endpointServer';
import { launch, serveLab } from './browser';
import { Visit } from './visit';

let server: Awaited<ReturnType<typeof serveLab>>;
let endpoint: EndpointServer;
let browser: Browser;
let visit: Visit;

beforeAll(async () => {
  [server, browser, endpoint] = await Promise.all([serveLab(), launch(false), endpointServer({ delay: 20 })]);
  visit = await Visit.begin(browser);
}, 300_000);

afterAll(async () => {
  await visit.end();
  await browser.close();
  await endpoint.close();
  await server.close();
});

it('debates, votes and learns, is killed, goes on and replays', { timeout: 240_000 }, async () => {
  const { page } = visit;
  const hosts = new Set<string>();
  page.context().on('request', (request) => hosts.add(new URL(request.url()).host));
  const origin = new URL(endpoint.address).origin;
  const config = resolveConfig('arithmetic-tiny', {
    seed: 11,
    trainProblems: 12,
    evaluationProblems: 6,
    iterations: 1,
    chunk: 6,
    singleAgentBaseline: 'false',
    seats: `2=transformers:arithmetic-0.4m,3=endpoint:${endpoint.address}#scripted`,
  });
  await page.goto(`${server.url}${encodeLink(linkOf(config))}`);

  // The link shows the server and starts nothing.
  const card = page.getByRole('region', { name: 'An experiment by link' });
  await card.getByText(`played by the server ${origin}`).waitFor();
  expect(await card.getByRole('button', { name: 'Run it here' }).count()).toBe(0);
  await card.getByRole('button', { name: 'Take these settings' }).click();
  await visit.form.getByText(`Some agents need ${origin}. Allow it`).waitFor();
  expect(await visit.form.getByRole('button', { name: 'Run', exact: true }).isDisabled()).toBe(true);
  expect(endpoint.asked.length).toBe(0);
  await visit.chooseEngine('exact');
  for (const width of [1360, 360]) {
    await page.setViewportSize({ width, height: 900 });
    await visit.shot(`seats-${width}`);
    expect(await visit.overflow()).toBeLessThanOrEqual(0);
  }
  await page.setViewportSize({ width: 1360, height: 900 });
  await visit.form.getByLabel('Key, where it wants one').fill('secret-key');
  await visit.form.getByRole('button', { name: `Allow ${origin}` }).click();
  await visit.form.getByText('may be asked until you close this page').waitFor();

  // It is killed in the middle of the training problems.
  await visit.start();
  await visit.untilActivity(/training|train/i);
  // The stage names who is not on the engine.
  await page.getByTitle('transformers:arithmetic-0.4m').first().waitFor();
  await visit.shot('seats-running');
  expect(endpoint.asked.length).toBeGreaterThan(6);
  await page.reload();

  // What was allowed is gone with the page: it is asked for again before the run goes on.
  await visit.run.getByRole('button', { name: `Allow ${origin}` }).waitFor();
  const before = endpoint.asked.length;
  expect(await visit.run.getByRole('button', { name: 'Resume' }).isDisabled()).toBe(true);
  await visit.shot('seats-resume');
  expect(endpoint.asked.length).toBe(before);
  await visit.run.getByRole('button', { name: `Allow ${origin}` }).click();
  await visit.run.getByRole('button', { name: 'Resume' }).click();
  await visit.untilState('finished');

  await page.getByText('Prompts of some agents go to').waitFor();
  await page.goto(`${server.url}#/runs`);
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: /^Download/ }).click();
  const file = await (await downloading).path();
  const files = unzipSync(new Uint8Array(await readFile(file)));
  for (const bytes of Object.values(files)) expect(strFromU8(bytes)).not.toContain('secret-key');
  const events = readEvents(
    strFromU8(files['log.jsonl'] as Uint8Array)
      .trimEnd()
      .split('\n'),
  );
  const started = of(events, 'run-started')[0]!;
  expect(started.runtimes?.map(({ name, device }) => [name.split(':')[0], device])).toEqual([
    ['transformers', 'wasm'],
    ['endpoint', undefined],
  ]);
  const turns = of(events, 'episode').flatMap((episode) => episode.turns);
  const speakers = new Set(turns.map(({ seat, runtime }) => `${seat} ${runtime?.split(':')[0] ?? 'engine'}`));
  expect(speakers).toEqual(new Set(['0 engine', '1 transformers', '2 endpoint']));
  expect(new Set(of(events, 'adapter').map(({ adapter }) => adapter))).toEqual(new Set(['generator-0', 'critic-0']));
  expect(await replayed({ config: started.config, started, events, task: arithmetic })).toBeNull();

  // Nobody else was asked for anything.
  expect(hosts).toEqual(new Set([new URL(server.url).host, new URL(endpoint.address).host]));
  expect(visit.complaints).toEqual([]);
});
