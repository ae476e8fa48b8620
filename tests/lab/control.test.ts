/** Holding, stepping and slow motion: where the run waits, and that its log never notices. */
import { describe, expect, it, vi } from 'vitest';
import { RunControl, StoppedError } from '../../src/lab/run/control';
import { pacedRuntime } from '../../src/lab/run/pacing';
import { createRun, Runner } from '../../src/lab/run/runner';
import { Showing } from '../../src/lab/progress/showing';
import type { StageId } from '../../src/lab/types';
import type { Question } from '../../src/runtimes/types';
import { recipeNamed } from '../../src/recipes';
import { MemoryRunStore } from '../../src/store/memory';
import { taskNamed } from '../../src/tasks';
import { sampleConfig } from '../store/samples';
import { ScriptedRuntime } from './scripted';

const config = sampleConfig();

interface Staged {
  digest: string;
  holds: number;
  phases: StageId[];
  /** Phase at each hold. */
  heldAt: (StageId | null)[];
}

/** A run that is sent on whenever it holds. */
async function staged(onHold: ((control: RunControl) => void) | null, pace = 0): Promise<Staged> {
  const store = new MemoryRunStore();
  const { id } = await createRun(store, config);
  const control = new RunControl();
  control.setPace(pace);
  const showing = new Showing(recipeNamed(config.recipe).stages(config));
  const phases: StageId[] = [];
  const heldAt: (StageId | null)[] = [];
  const inner = new ScriptedRuntime();
  const runtime = pacedRuntime(inner, control, (moment, questions) => {
    const beats = showing.enter(moment, questions);
    if (showing.phase !== null && phases.at(-1) !== showing.phase) phases.push(showing.phase);
    return beats;
  });
  let holds = 0;
  const runner = new Runner({
    recipe: recipeNamed(config.recipe),
    runtime,
    task: taskNamed(config.task),
    adapters: inner,
    store,
    control,
    onEvent: (event) => {
      control.beat(showing.passed(event));
      if (event.type === 'iteration-started') control.ended('iteration');
    },
    onHold: (held) => {
      if (!held) return;
      holds++;
      heldAt.push(showing.phase);
      setTimeout(() => onHold?.(control), 0);
    },
  });
  if (onHold) onHold(control);
  const record = await runner.run(id);
  return { digest: record.digest, holds, phases, heldAt };
}

describe('a stepped run', () => {
  it('holds after each round and each finetuning, with the same log', async () => {
    const plain = await staged(null);
    expect(plain.holds).toBe(0);
    const byRound = await staged((control) => control.step('round'));
    expect(byRound.digest).toBe(plain.digest);
    // Who follows sees every chunk's answers; at full speed they are sampled beside the revisions of the chunk before.
    expect(new Set(byRound.phases)).toEqual(new Set(plain.phases));
    const revised = byRound.phases.flatMap((phase, at) =>
      phase === 'revise' ? [byRound.phases.slice(at - 3, at)] : [],
    );
    expect(revised.length).toBeGreaterThan(2);
    for (const before of revised) expect(before).toEqual(['ask', 'answer', 'read']);
    // A round's answers are on show, or the vote after the last one, or the losses of a finetuning.
    expect(new Set(byRound.heldAt)).toEqual(new Set(['answer', 'vote', 'finetune']));
    expect(byRound.heldAt.filter((phase) => phase === 'finetune')).toHaveLength(config.iterations);
  });

  it('holds at each iteration, with the same log', async () => {
    const plain = await staged(null);
    const byIteration = await staged((control) => control.step('iteration'));
    expect(byIteration.digest).toBe(plain.digest);
    expect(byIteration.heldAt).toEqual(Array.from({ length: config.iterations }, () => 'evaluate'));
  });

  it('goes on to the end when it is resumed instead', async () => {
    const plain = await staged(null);
    let steps = 0;
    const resumed = await staged((control) => (steps++ < 3 ? control.step('round') : control.resume()));
    expect(resumed).toMatchObject({ digest: plain.digest, holds: 3 });
  });
});

describe('what is on show', () => {
  it('has the first round of a problem that was answered beside the one before', () => {
    const showing = new Showing(recipeNamed(config.recipe).stages(config));
    const at = (problem: number) => ({ purpose: 'train', learner: 'society', iteration: 1, problem }) as const;
    const asked = (problem: number, layer: number): Question[] =>
      [0, 1].map(
        (seat) =>
          ({ at: at(problem), kind: layer === 0 ? 'answer' : 'revision', seat, layer, agent: `${seat}` }) as Question,
      );
    const call = (...questions: Question[]): void => {
      showing.enter('ask', questions);
      showing.answered(
        questions,
        questions.map(({ at: { problem }, seat, layer }) => `${problem}.${layer}.${seat}`),
      );
    };
    call(...asked(1, 0), ...asked(2, 0));
    expect(showing.partial).toMatchObject({ problem: 1, round: 1, earlier: [] });
    call(...asked(1, 1), ...asked(3, 0), ...asked(4, 0));
    expect(showing.partial).toMatchObject({ problem: 1, round: 2, earlier: [['', '']] });
    call(...asked(3, 1), ...asked(4, 1));
    expect(showing.partial).toMatchObject({ problem: 3, round: 2, earlier: [['3.0.0', '3.0.1']] });
    call(...asked(5, 0));
    expect(showing.partial).toMatchObject({ problem: 5, round: 1, earlier: [] });
  });
});

describe('slow motion', () => {
  it('walks through the parts in order and leaves the log as it is', async () => {
    const plain = await staged(null);
    const slow = await staged(null, 1);
    expect(slow.digest).toBe(plain.digest);
    expect(slow.phases.slice(0, 4)).toEqual(['ask', 'answer', 'read', 'revise']);
  });

  it('waits the beats at the next gate, and not at all at full speed', async () => {
    vi.useFakeTimers();
    const control = new RunControl();
    control.beat(3);
    await control.gate();
    control.setPace(1_000);
    control.beat(2);
    let passed = false;
    const gate = control.gate().then(() => (passed = true));
    await vi.advanceTimersByTimeAsync(1_900);
    expect(passed).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    await gate;
    expect(passed).toBe(true);
    vi.useRealTimers();
  });

  it('ends a wait at once when another pace is chosen, on pause and on stop', async () => {
    const control = new RunControl();
    control.setPace(60_000);
    control.beat();
    const waiting = control.gate();
    control.setPace(0);
    await waiting;

    control.setPace(60_000);
    control.beat();
    const held: boolean[] = [];
    control.onHold = (now) => held.push(now);
    const paused = control.gate();
    control.pause();
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(held).toEqual([true]);
    control.resume();
    await paused;

    control.beat();
    const stopped = control.gate();
    control.stop();
    await expect(stopped).rejects.toBeInstanceOf(StoppedError);
  });
});
