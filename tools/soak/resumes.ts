/**
 * Runs of every recipe that are killed after random events and resumed, on the exact engine (the reference engine's bits, in less time)
 * with the embedded model.
 */
import { fileURLToPath } from 'node:url';
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';
import { folderSource } from '../../src/engine/loader-node';
import { ExactEngine } from '../../src/engine/exact/engine';
import { openModelStream, type ModelStream } from '../../src/engine/stream';
import { RunControl } from '../../src/lab/run/control';
import { runtimeFor } from '../../src/lab/setup/parts';
import { createRun, Runner } from '../../src/lab/run/runner';
import { engineOptions } from '../../src/lab/setup/engineOptions';
import { recipeNamed, recipes } from '../../src/recipes';
import type { RunConfig } from '../../src/recipes/config';
import { resolveConfig, settingKeys } from '../../src/recipes/resolve';
import { bundleRun } from '../../src/share/writeBundle';
import { MemoryRunStore } from '../../src/store/memory';
import type { RunRecord, RunStore } from '../../src/store/types';
import { taskFor } from '../../src/tasks';
import { openStored } from '../cli/resume';
import type { SoakOptions, SoakOutcome } from './result';
import type { Rng } from './rng';

/** Few of everything; two iterations, so that adapters are restored. */
const FEW = { iterations: 2, trainProblems: 4, evaluationProblems: 2, chunk: 2, 'finetune.batchSize': 2 };
const FEWER_OF_ITS_OWN = { agents: 2, samples: 3 };

/** How a run comes to its end before its time. */
const ENDINGS = ['stopped', 'killed with what was not written', 'resumed from its zip'] as const;

interface Subject {
  config: RunConfig;
  /** Of an undisturbed run. */
  expected: RunRecord;
}

/** Plays on an engine of its own, as a process that begins. */
class Player {
  private constructor(
    private readonly stream: ModelStream,
    private readonly tokenizer: ChatTokenizer,
  ) {}

  static async open(): Promise<Player> {
    const folder = folderSource(fileURLToPath(new URL('../../static/models/arithmetic-0.4m', import.meta.url)));
    return new Player(await openModelStream(folder), await loadTokenizer(folder));
  }

  get model() {
    return this.stream.config;
  }

  async play(
    store: RunStore,
    id: string,
    config: RunConfig,
    onEvent: (index: number, control: RunControl) => void = () => {},
  ): Promise<RunRecord> {
    const task = taskFor(config);
    const options = await engineOptions(config, { task, measured: [], model: this.model, tokenizer: this.tokenizer });
    const engine = await ExactEngine.create(this.stream, options);
    const control = new RunControl();
    const hash = this.stream.hash ?? '';
    const runtime = runtimeFor(config, { engine, tokenizer: this.tokenizer, hash, options });
    const told = (_: unknown, index: number): void => onEvent(index, control);
    const recipe = recipeNamed(config.recipe);
    try {
      return await new Runner({ recipe, runtime, task, adapters: engine, store, control, onEvent: told }).run(id);
    } finally {
      await engine.dispose();
    }
  }
}

export async function soakResumes({ count, seed, say, over }: SoakOptions, rng: Rng): Promise<SoakOutcome> {
  const player = await Player.open();
  const subjects = await undisturbed(player, seed);
  for (const { config, expected } of subjects)
    say(`resumes: ${config.recipe} has ${expected.events} events, digest ${expected.digest.slice(0, 12)}`);
  const outcomes: Record<string, number> = {};
  const add = (name: string) => (outcomes[name] = (outcomes[name] ?? 0) + 1);
  const faults: string[] = [];
  let [attempts, lost, longestMs] = [0, 0, 0];
  let equal = true;
  while (attempts < count && !over()) {
    attempts++;
    const { config, expected } = rng.pick(subjects);
    const point = rng.int(expected.events - 1);
    const ending = rng.pick(ENDINGS);
    const began = performance.now();
    add(config.recipe);
    add(ending);
    try {
      const store = await ended(player, config, point, ending);
      const { id, events } = (await store.runs())[0] as RunRecord;
      if (ending === 'stopped' && events !== point + 1) lost++;
      const { digest } = await player.play(store, id, config);
      if (digest !== expected.digest) {
        equal = false;
        faults.push(`${config.recipe}, event ${point}, ${ending}: digest ${digest}`);
      }
    } catch (error) {
      lost++;
      faults.push(`${config.recipe}, event ${point}, ${ending}: ${String(error)}`);
    }
    longestMs = Math.max(longestMs, performance.now() - began);
    if (attempts % 20 === 0) say(`resumes: ${attempts} of ${count}`);
  }
  return { outcomes, attempts, lost, equal, memory: null, longestMs: Math.round(longestMs), faults };
}

async function undisturbed(player: Player, seed: number): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const recipe of recipes()) {
    const known = settingKeys(recipe);
    const own = Object.entries(FEWER_OF_ITS_OWN).filter(([key]) => known.includes(key));
    const config = resolveConfig('arithmetic-tiny', { ...FEW, ...Object.fromEntries(own), seed }, recipe.id);
    const store = new MemoryRunStore();
    const { id } = await createRun(store, config);
    subjects.push({ config, expected: await player.play(store, id, config) });
  }
  return subjects;
}

/** A store that holds a run which came to its end after the event of this index. */
async function ended(
  player: Player,
  config: RunConfig,
  point: number,
  ending: (typeof ENDINGS)[number],
): Promise<RunStore> {
  const store = new MemoryRunStore();
  const { id } = await createRun(store, config);
  if (ending === 'killed with what was not written') {
    const mortal = new MortalStore(store);
    const killed = player.play(mortal.store, id, config, (index, control) => {
      if (index !== point) return;
      mortal.die();
      control.stop();
    });
    await killed.then(() => Promise.reject(new Error('it was not killed')), requireDeath);
    return store;
  }
  await player.play(store, id, config, (index, control) => void (index === point && control.stop()));
  if (ending === 'stopped') return store;
  const again = new MemoryRunStore();
  const created = await createRun(again, config);
  const stored = openStored('run.zip', await bundleRun(store, id));
  await again.rewrite(stored.whole(created, player.model));
  return again;
}

const DEAD = 'the process is dead';

function requireDeath(error: unknown): void {
  if (!(error instanceof Error) || error.message !== DEAD) throw error;
}

/** A store that nothing reaches any more once its process is dead. */
class MortalStore {
  readonly store: RunStore;
  #dead = false;

  constructor(inner: RunStore) {
    this.store = new Proxy(inner, {
      get: (target, key) => {
        const value = Reflect.get(target, key) as unknown;
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown =>
          this.#dead ? Promise.reject(new Error(DEAD)) : (value.apply(target, args) as unknown);
      },
    });
  }

  die(): void {
    this.#dead = true;
  }
}
