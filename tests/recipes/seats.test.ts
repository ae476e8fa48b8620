/** Societies on several runtimes: who answers, who learns, what is refused before anything starts. */
import { estimateWork, needOf } from '../../src/recipes/work';
import { describe, expect, it } from 'vitest';
import { closeVoices, openVoices, seatedOn } from '../../src/lab/setup/voices';
import { drawChecks, replayed } from '../../src/lab/stored/verify';
import { EVENT_SCHEMAS } from '../../src/log/schema';
import { readEvents } from '../../src/log/read';
import { checkSeats, KIND_CAN } from '../../src/recipes/abilities';
import { recipes } from '../../src/recipes';
import { checkConfig, resolveConfig } from '../../src/recipes/resolve';
import { RUNTIME_KINDS, runtimeTitle, seatedRuntimes } from '../../src/recipes/seats';
import { RecordedRuntime } from '../../src/runtimes/recorded';
import { NOTHING_GIVEN, type Answer, type Question, type Voice } from '../../src/runtimes/types';
import { repeatCheck } from '../../src/share/claims';
import { decodeLink, encodeLink, linkOf } from '../../src/share/link';
import { arithmetic } from '../../src/tasks/arithmetic';
import type { RunEvent } from '../../src/events';
import * as v from 'valibot';
import { FakeRuntime, logOf, of, smallConfig } from './fakeRuntime';

const NAME = 'transformers:arithmetic-0.4m';

/** Says what it is asked, right, and counts. */
class FakeVoice implements Voice {
  readonly can = { ...NOTHING_GIVEN, repeats: true };
  readonly asked: Question[] = [];
  closed = 0;

  async ask(questions: Question[]): Promise<Answer[]> {
    this.asked.push(...questions);
    return questions.map(({ messages }) => {
      const [, a, b, c, d, e, f] = (/(\d)\+(\d)\*(\d)\+(\d)-(\d)\*(\d)/.exec(messages[0]?.content ?? '') ?? []).map(
        Number,
      );
      const text = `voice#${(a ?? 0) + (b ?? 0) * (c ?? 0) + (d ?? 0) - (e ?? 0) * (f ?? 0)}`;
      return { text, finish: 'stop', tokens: 3, seed: 5 };
    });
  }

  describe() {
    return { name: NAME, engine: 'fake', model: { name: 'm', hash: 'ab' }, gives: ['repeats'] };
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

/** The log of a run whose voices are these. */
async function seatedLog(config: ReturnType<typeof smallConfig>, voice = new FakeVoice(), engine = new FakeRuntime()) {
  const runtime = seatedOn(engine, config, new Map([[NAME, voice]]));
  return { events: await logOf(runtime, config), voice, engine };
}

const set = (seats: string, more = {}, recipe?: string) => smallConfig({ seats, ...more }, recipe);

describe('the setting', () => {
  it('is read, ordered and checked', () => {
    const config = set('3=endpoint:http://127.0.0.1:80/v1/#a:b, 1=transformers:stored:org/name@0f#webgpu/q4f16');
    expect(config.seats).toEqual([
      '1=transformers:stored:org/name@0f#webgpu/q4f16',
      '3=endpoint:http://127.0.0.1:80/v1/#a:b',
    ]);
    expect(seatedRuntimes(config)).toMatchObject([
      { seat: 0, runtime: { kind: 'transformers', address: 'stored:org/name@0f', option: 'webgpu/q4f16' } },
      { seat: 2, runtime: { kind: 'endpoint', address: 'http://127.0.0.1:80/v1', option: 'a:b' } },
    ]);
    expect(checkConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
    expect(set(config.seats!.join(','))).toEqual(config);
  });

  it.each([
    ['2=', /is not SEAT=RUNTIME/],
    ['transformers:x', /is not SEAT=RUNTIME/],
    ['0=transformers:x', /seats are numbered from 1/],
    ['2=torch:x', /"torch" is no runtime; there are transformers, web-llm, endpoint/],
    ['2=web-llm:a/b', /a\/b is no address/],
    ['2=web-llm:Qwen-MLC#https://site/lib.wasm', /web-llm's own list, which knows its library/],
    ['2=web-llm:https://site/org/name', /needs the address of its library behind #/],
    ['2=web-llm:https://site/org/name#lib.wasm', /lib\.wasm is no address/],
    ['2=web-llm:https://site/name#https://site/lib.wasm', /is not SITE\/owner\/name/],
    ['2=web-llm:https://me:secret@site/org/name#https://site/lib.wasm', /carries a name, a password/],
    ['2=transformers:https://huggingface.co/name', /is not SITE\/owner\/name/],
    ['2=transformers:https://site/org/name?key=secret', /carries a name, a password or a query/],
    ['2=transformers:x#cuda', /"cuda" is not DEVICE\/FORMAT/],
    ['2=endpoint:http://127.0.0.1/v1', /needs the name of its model/],
    ['2=endpoint:ftp://127.0.0.1/v1#m', /begins with ftp:/],
    ['2=endpoint:http://me:secret@127.0.0.1/v1#m', /carries a name, a password or a query/],
    ['2=endpoint:http://127.0.0.1/v1?key=secret#m', /carries a name, a password or a query/],
    ['2=transformers:x,2=transformers:y', /2 is given two runtimes/],
    ['9=transformers:x', /there is no seat 9; multiagent-finetuning has 3 here/],
    ['somebody=transformers:x', /has no agent named somebody; there are base, generator-0/],
    ['1=transformers:x,2=transformers:x,3=transformers:x,single=transformers:x', /no agent is left on the engine/],
  ])('refuses %s', (seats, message) => {
    expect(() => set(seats)).toThrow(message);
    expect(() => set(seats)).not.toThrow(/secret/);
  });

  it('is left out where the engine plays all, so that the digests of older logs stay', () => {
    expect(smallConfig()).not.toHaveProperty('seats');
  });

  it('has a title in few words', () => {
    expect(runtimeTitle('transformers:https://huggingface.co/org/name/resolve/main#webgpu/q4')).toBe(
      'transformers.js, name',
    );
    expect(runtimeTitle('transformers:stored:org/name@0f3c')).toBe('transformers.js, name');
    expect(runtimeTitle('web-llm:Qwen-MLC')).toBe('web-llm, Qwen-MLC');
    expect(runtimeTitle('endpoint:http://127.0.0.1:80/v1#qwen')).toBe('endpoint, qwen');
    expect(runtimeTitle('later:x')).toBe('later:x');
  });

  it('travels in a link', () => {
    const config = set(`2=${NAME},3=endpoint:http://127.0.0.1:8000/v1#m`);
    const opened = decodeLink(encodeLink(linkOf(config)));
    expect(opened.config).toEqual(config);
  });
});

describe('a society by seat', () => {
  it('asks the seat’s runtime in every debate, the untouched one too, and nobody else of it', async () => {
    const { events, voice, engine } = await seatedLog(set(`2=${NAME}`));
    const turns = of(events, 'episode').flatMap(({ learner, turns: said }) =>
      said.map((turn) => ({ ...turn, learner })),
    );
    const voiced = turns.filter(({ runtime }) => runtime === NAME);
    expect(voiced.length).toBe(voice.asked.length);
    expect(new Set(voiced.map(({ learner, agent, seat }) => `${learner} ${agent} ${seat}`))).toEqual(
      new Set(['base base 1', 'society generator-1 1', 'society critic-1 1']),
    );
    const others = turns.filter(({ runtime }) => runtime === undefined);
    expect(others.some(({ seat, learner }) => seat === 1 && learner !== 'single')).toBe(false);
    expect(engine.asked.flat().length).toBe(others.length);
    // What it does not give is absent, never a zero.
    expect(voiced[0]).toMatchObject({ text: expect.stringMatching(/^voice#/), tokens: 3, seed: 5 });
    for (const key of ['ids', 'logprobs', 'margins']) expect(voiced[0]).not.toHaveProperty(key);
    expect(new Set(voice.asked.map(({ adapter }) => adapter))).toEqual(new Set([null]));
  });

  it('trains the engine’s agents, and gives the frozen ones a data set with the reason', async () => {
    const { events, engine } = await seatedLog(set(`2=${NAME}`));
    const datasets = of(events, 'dataset').filter(({ adapter }) => /-1$/.test(adapter));
    expect(datasets.length).toBe(4);
    for (const { examples, dropped } of datasets) {
      expect(examples).toEqual([]);
      expect(dropped.at(-1)?.reason).toBe('transformers.js plays this agent, and only the engine trains');
      expect(dropped.at(-1)?.count).toBeGreaterThan(0);
    }
    const trained = new Set(engine.trained.flatMap(({ tracks }) => tracks.map(({ adapter }) => adapter)));
    expect(trained).toEqual(new Set(['generator-0', 'critic-0', 'generator-2', 'critic-2', 'single']));
    expect(engine.created.map(([name]) => name).sort()).toEqual(
      ['critic-0', 'critic-2', 'generator-0', 'generator-2', 'single'].sort(),
    );
    expect(of(events, 'adapter').some(({ adapter }) => /-1$/.test(adapter))).toBe(false);
  });

  it('names the runtimes in its first event, and validates', async () => {
    const { events } = await seatedLog(set(`2=${NAME}`));
    const started = of(events, 'run-started')[0]!;
    expect(started.runtimes).toEqual([
      { name: NAME, engine: 'fake', model: { name: 'm', hash: 'ab' }, gives: ['repeats'] },
    ]);
    expect(started.agents.filter(({ runtime }) => runtime === NAME).map(({ id }) => id)).toEqual([
      'generator-1',
      'critic-1',
    ]);
    expect(readEvents(events.map((event) => JSON.stringify(event)))).toEqual(events);
    for (const event of events) expect(v.is(EVENT_SCHEMAS[event.type], JSON.parse(JSON.stringify(event)))).toBe(true);
  });

  it('says whether it can be run again, or only replayed', async () => {
    const checked = async (gives: string[]) => {
      const voice = new FakeVoice();
      voice.describe = () => ({ name: NAME, engine: 'fake', model: { name: 'm', hash: '' }, gives });
      const { events } = await seatedLog(set(`2=${NAME}`, { iterations: 1 }), voice);
      return repeatCheck(events);
    };
    expect(await checked(['repeats'])).toMatchObject([{ ok: true, detail: 'the run can be run again' }]);
    expect(await checked(['logprobs'])).toMatchObject([
      { ok: true, detail: `the run can be replayed, and not run again: ${NAME} does not repeat itself` },
    ]);
    expect(repeatCheck(await logOf(new FakeRuntime(), set('2=transformers:x', { iterations: 1 })))).toEqual([]);
  });

  it('names web-llm with its version, hashes and device, and says whether that run can be run again', async () => {
    const name = 'web-llm:Qwen2.5-0.5B-Instruct-q4f16_1-MLC';
    const record = {
      name,
      engine: '@mlc-ai/web-llm 0.2.86, libraries v0_2_86/base',
      model: { name: 'Qwen2.5-0.5B-Instruct-q4f16_1-MLC', hash: 'ab'.repeat(32) },
      files: 'cd'.repeat(32),
      device: 'webgpu apple',
    };
    for (const gives of [['logprobs', 'repeats'], ['logprobs']]) {
      const config = set(`2=${name}`, { iterations: 1 });
      const voice = new FakeVoice();
      voice.describe = () => ({ ...record, gives });
      const events = await logOf(seatedOn(new FakeRuntime(), config, new Map([[name, voice]])), config);
      expect(readEvents(events.map((event) => JSON.stringify(event)))).toEqual(events);
      expect(of(events, 'run-started')[0]!.runtimes).toEqual([{ ...record, gives }]);
      const again = gives.includes('repeats');
      expect(repeatCheck(events)[0]!.detail).toMatch(
        again ? /^the run can be run again$/ : /replayed, and not run again: web-llm/,
      );
    }
  });

  it('spot-checks no answer of another runtime', async () => {
    const { events } = await seatedLog(set(`2=${NAME}`, { iterations: 1 }));
    const { answers } = drawChecks(events, 10_000, 1);
    const turns = of(events, 'episode').flatMap(({ turns: said }) => said);
    expect(answers.size).toBe(turns.filter(({ runtime }) => runtime === undefined).length);
  });

  it('teaches what another runtime said by its text, whose ids are of another tokenizer', async () => {
    // In a random split all adapters learn from the turns of all seats.
    const { engine } = await seatedLog(set(`2=${NAME}`, {}, 'random-split'));
    const examples = engine.trained.flatMap(({ tracks }) => tracks.flatMap((track) => track.examples));
    const voiced = examples.filter(({ completion }) => completion.startsWith('voice'));
    expect(voiced.length).toBeGreaterThan(0);
    expect(voiced.every(({ ids }) => ids === undefined)).toBe(true);
    expect(examples.some(({ ids }) => ids !== undefined)).toBe(true);
  });

  it.each(['multiagent-finetuning', 'debate', 'majority', 'random-split', 'gold-labels', 'distil'])(
    'replays and resumes as %s wherever its log is cut',
    async (recipe) => {
      const config = set(`2=${NAME}`, recipe === 'debate' || recipe === 'majority' ? { iterations: 0 } : {}, recipe);
      const { events } = await seatedLog(config);
      expect(of(events, 'episode').some(({ turns }) => turns.some(({ runtime }) => runtime === NAME))).toBe(true);
      const [started] = of(events, 'run-started');
      expect(await replayed({ config, started: started!, events, task: arithmetic })).toBeNull();
      const cuts = [1, Math.floor(events.length / 3), events.length - 2];
      for (const cut of cuts) {
        const recorded = JSON.parse(JSON.stringify(events.slice(0, cut))) as RunEvent[];
        const engine = new FakeRuntime();
        const seated = seatedOn(engine, config, new Map([[NAME, new FakeVoice()]]));
        const states = await statesOf(config);
        const again = new RecordedRuntime(seated, recorded, async (adapter, _, job) => {
          engine.states.set(adapter, states.get(`${adapter} ${job}`) as string);
        });
        expect(await logOf(again, config)).toEqual(events);
      }
    },
  );
});

/** States of the adapters after each job. */
async function statesOf(config: ReturnType<typeof smallConfig>): Promise<Map<string, string>> {
  const engine = new FakeRuntime();
  const states = new Map<string, string>();
  const runtime = seatedOn(engine, config, new Map([[NAME, new FakeVoice()]]));
  await logOf(runtime, config, undefined, (event) => {
    if (event.type !== 'adapter') return;
    const job = 'job' in event.from ? event.from.job : 'merged';
    states.set(`${event.adapter} ${job}`, engine.states.get(event.adapter) as string);
  });
  return states;
}

describe('plan and cost', () => {
  it.each([
    ['multiagent-finetuning', `2=${NAME}`],
    ['multiagent-finetuning', `1=${NAME},3=${NAME}`],
    ['random-split', `2=${NAME}`],
    ['debate', `2=${NAME}`],
  ])('count the agents of other runtimes apart (%s, %s)', async (recipe, seats) => {
    const more = recipe === 'debate' ? { iterations: 0 } : { iterations: 1 };
    const [config, plain] = [set(seats, more, recipe), smallConfig(more, recipe)];
    const frozen = seatedRuntimes(config).length;
    const [need, before] = [needOf(config), needOf(plain)];
    const twice = recipe === 'debate' ? 0 : 2;
    expect(need.tracks.solve + need.tracks.revise).toBe(before.tracks.solve + before.tracks.revise - twice * frozen);
    expect(need.adapters).toBe(Math.max(1, before.adapters - twice * frozen));
    const [work, all] = [estimateWork(config), estimateWork(plain)];
    expect(work.calls).toBe(all.calls);
    if (recipe !== 'debate') expect(work.trainedTokens).toBeLessThan(all.trainedTokens);
    // As many as the run really asks of them.
    const { voice, engine } = await seatedLog(config);
    expect(work.otherCalls).toBe(voice.asked.length);
    expect(work.calls - work.otherCalls).toBe(engine.asked.flat().length);
  });
});

describe('what a runtime cannot give', () => {
  it.each([
    ['ensem-w2s', 'teacher', /needs training of teacher, which transformers.js does not give; the engine can/],
    ['preference-loop', 'student', /needs training of student/],
    ['merge', '2', /needs training of generator-1/],
  ])('is refused by %s before it starts', (recipe, who, message) => {
    expect(() => set(`${who}=${NAME}`, {}, recipe)).toThrow(message);
  });

  it('is refused for a saboteur, whose words are read', () => {
    const sabotaged = (seats: string) => set(seats, { 'saboteur.seats': 1, 'saboteur.says': '0' });
    expect(() => sabotaged('3=endpoint:http://127.0.0.1/v1#m')).toThrow(
      /needs log-probabilities of given texts of generator-2, which endpoint does not give; .*the engine/,
    );
    expect(() => sabotaged('3=web-llm:any')).toThrow(/which web-llm does not give; the engine and transformers.js can/);
    expect(() => sabotaged('2=endpoint:http://127.0.0.1/v1#m')).not.toThrow();
    expect(() => sabotaged(`3=${NAME}`)).not.toThrow();
  });

  it('is refused where seats share an agent, which can be named', () => {
    expect(() => set(`2=${NAME}`, {}, 'union')).toThrow(/seat 2 has no agent of its own in union; name an agent/);
    expect(() => set(`generator=${NAME}`, {}, 'shared-pair')).not.toThrow();
  });

  it('holds for every recipe: each can be asked who may sit elsewhere', () => {
    for (const recipe of recipes()) {
      const config = Object.values(recipe.presets)[0]!.config;
      const needs = recipe.needs?.(config) ?? {};
      const ids = recipe.cast(config).agents.map(({ id }) => id);
      for (const agent of Object.keys(needs)) expect(ids).toContain(agent);
      expect(() => checkSeats(recipe, config)).not.toThrow();
    }
  });

  it('is refused by every recipe that needs it, on every runtime that does not give it', () => {
    const seatOf = {
      transformers: NAME,
      'web-llm': 'web-llm:any',
      endpoint: 'endpoint:http://127.0.0.1/v1#m',
    } as const;
    let refused = 0;
    for (const recipe of recipes()) {
      const preset = Object.values(recipe.presets)[0]!.config;
      for (const [agent, needs] of Object.entries(recipe.needs?.(preset) ?? {})) {
        for (const kind of RUNTIME_KINDS) {
          const missing = needs.find((need) => !KIND_CAN[kind].includes(need));
          const check = (): void => checkSeats(recipe, { ...preset, seats: [`${agent}=${seatOf[kind]}`] });
          if (missing === undefined) continue;
          refused++;
          expect(check).toThrow(new RegExp(`needs .* of ${agent}, which .* does not give; .*the engine.* can`));
        }
      }
    }
    expect(refused).toBeGreaterThan(5);
  });

  it('is found out when a runtime is opened, and all are closed again', async () => {
    const voice = new FakeVoice();
    const config = resolveConfig('arithmetic-tiny', { seats: `2=${NAME},3=endpoint:http://127.0.0.1/v1#m` });
    const opening = openVoices({ transformers: async () => voice }, config, { signal: new AbortController().signal });
    await expect(opening).rejects.toThrow(/no server may be asked here until you allow it/);
    expect(voice.closed).toBe(1);
    const inPage = resolveConfig('arithmetic-tiny', { seats: '2=web-llm:any' });
    await expect(openVoices({}, inPage, { signal: new AbortController().signal })).rejects.toThrow(
      /web-llm needs the WebGPU of a browser: start this run in the page/,
    );
    const voices = new Map([[NAME, voice]]);
    await closeVoices(voices);
    expect(voice.closed).toBe(2);
  });
});
