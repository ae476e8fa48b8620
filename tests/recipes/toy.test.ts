/** A recipe that nobody knows: it runs, is killed after every event and goes on, by its file and one registry line. */
import { afterAll, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { createRun, Runner } from '../../src/lab/run/runner';
import { RunControl } from '../../src/lab/run/control';
import { digestOf } from '../../src/log/digest';
import { readEvents } from '../../src/log/read';
import { register, recipeNamed } from '../../src/recipes';
import type { Recipe } from '../../src/recipes/types';
import { resolveConfig } from '../../src/recipes/resolve';
import type { AdapterWeights } from '../../src/engine/types';
import { MemoryRunStore } from '../../src/store/memory';
import { arithmetic } from '../../src/tasks/arithmetic';
import { FakeRuntime, of } from './fakeRuntime';
import { toy } from './toy';

const unregister = register(toy as unknown as Recipe);
afterAll(unregister);

const config = resolveConfig(
  'arithmetic-tiny',
  { trainProblems: 5, evaluationProblems: 3, iterations: 2, branches: 2, 'finetune.batchSize': 2 },
  toy.id,
);

/** Keeps the states of its adapters as weights, so that a store can give them back. */
class StoredRuntime extends FakeRuntime {
  exportAdapter(name: string): Promise<AdapterWeights> {
    const data = Float32Array.from(this.state(name), (character) => character.charCodeAt(0));
    return Promise.resolve({ config: config.adapter, tensors: new Map([['state', { shape: [data.length], data }]]) });
  }

  importAdapter(name: string, { tensors }: AdapterWeights): Promise<void> {
    this.states.set(name, String.fromCharCode(...(tensors.get('state')?.data ?? [])));
    return Promise.resolve();
  }
}

/** Says something else each time it is asked. */
class Moody extends StoredRuntime {
  static asked = 0;
  constructor() {
    super();
    this.can.repeats = false;
  }

  override async ask(...[questions]: Parameters<StoredRuntime['ask']>) {
    const answers = await super.ask(questions);
    return answers.map((answer) => ({
      ...answer,
      text: `${answer.text}`.replace('#', `${Moody.asked++}#`),
      ids: [Moody.asked],
    }));
  }
}

function runner(store: MemoryRunStore, runtime: StoredRuntime, control = new RunControl(), stopAt = Infinity): Runner {
  return new Runner({
    recipe: recipeNamed(toy.id),
    runtime,
    task: arithmetic,
    adapters: runtime as never,
    store,
    control,
    onEvent: (_, index, old) => !old && index === stopAt && control.stop(),
  });
}

async function whole(runtime: StoredRuntime): Promise<RunEvent[]> {
  const store = new MemoryRunStore();
  const { id } = await createRun(store, config);
  await runner(store, runtime).run(id);
  return store.events(id);
}

describe('a recipe of one file and one registry line', () => {
  it('runs: trees, scores, two jobs an iteration, preferences', async () => {
    const events = await whole(new StoredRuntime());
    expect(readEvents(events.map((event) => JSON.stringify(event)))).toEqual(events);
    const [first] = of(events, 'episode').filter(({ purpose }) => purpose === 'train');
    expect(first?.turns.map(({ call, parents }) => [call, parents])).toEqual([
      ['root', []],
      ['leaf-0', [0]],
      ['leaf-1', [0]],
    ]);
    expect(first?.verdicts[0]).toMatchObject({ by: 'judge', of: [0, 1, 2] });
    expect(of(events, 'adapter').map(({ from }) => 'job' in from && from.job)).toEqual([
      'examples/1',
      'preferences/1',
      'examples/2',
      'preferences/2',
    ]);
    const [, pairs] = of(events, 'dataset');
    expect(pairs?.objective).toEqual({ kind: 'dpo', beta: 0.1 });
    expect(pairs?.examples[0]).toMatchObject({ kind: 'pair', rejected: { turn: expect.any(Number) as number } });
    expect(of(events, 'evaluation').map(({ scores }) => scores.map(({ method }) => method))).toEqual([
      ['rootBefore', 'bestBefore'],
      ['root', 'best'],
      ['root', 'best'],
    ]);
  });

  it('is killed after every event and ends with the same digest', async () => {
    const expected = await whole(new StoredRuntime());
    for (let cut = 0; cut < expected.length - 1; cut++) {
      const store = new MemoryRunStore();
      const { id } = await createRun(store, config);
      await runner(store, new StoredRuntime(), new RunControl(), cut).run(id);
      const record = await runner(store, new StoredRuntime()).run(id);
      expect(record.digest, `after event ${cut}`).toBe(digestOf(expected));
    }
  });

  it('goes on also with an agent that never says the same again: what was said stays said', async () => {
    const { length } = await whole(new Moody());
    for (let cut = 0; cut < length - 1; cut++) {
      const store = new MemoryRunStore();
      const { id } = await createRun(store, config);
      await runner(store, new Moody(), new RunControl(), cut).run(id);
      const before = await store.events(id);
      const record = await runner(store, new Moody()).run(id);
      expect(record.status, `after event ${cut}`).toBe('finished');
      const events = await store.events(id);
      expect(events.slice(0, before.length)).toEqual(before);
      const superseded = of(events, 'job-superseded');
      const inJob = before.at(-1)?.type === 'training-step';
      expect(superseded.length, `after event ${cut}`).toBe(inJob ? 1 : 0);
    }
  });
});
