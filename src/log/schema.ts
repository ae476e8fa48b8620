/** What events of format 2 look like: the one validator of everything that is read back or comes from outside. */
import * as v from 'valibot';
import type { RunEvent } from '../events';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const finite = v.pipe(v.number(), v.finite());
const share = v.pipe(finite, v.minValue(0), v.maxValue(1));
const text = v.string();
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(200));
/** As the setting `seats` has it: an address may be long. */
const runtimeName = v.pipe(v.string(), v.minLength(1), v.maxLength(300));
const hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'is not a sha-256 in hexadecimal'));
const packed = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]*$/, 'is not a packed column'));
const split = v.picklist(['train', 'evaluation']);
const indices = v.array(count);
const answer = v.nullable(text);
const tallies = v.record(name, count);

const groupKey = { purpose: split, learner: name, iteration: count, part: v.optional(name) };
const revision = v.strictObject({ id: name, revision: count });

export const castSchema = {
  agents: v.array(
    v.strictObject({
      id: name,
      label: name,
      role: name,
      seat: v.nullable(count),
      adapter: v.nullable(name),
      runtime: v.optional(runtimeName),
    }),
  ),
  learners: v.pipe(
    v.array(v.strictObject({ key: name, label: name, name, agents: v.array(name) })),
    v.minLength(1, 'names no learner'),
  ),
  methods: v.array(v.strictObject({ key: name, label: name, learner: name, answer: name, calls: count })),
  compare: v.array(v.tuple([name, name])),
  recovered: v.optional(v.array(v.tuple([name, name, name]))),
};

/** Settings are checked by the recipe's own table (`checkConfig`). */
const config = v.looseObject({ recipe: name, preset: name, model: name, task: name, seed: count });
const model = v.strictObject({ name, hash: text });

const runtime = v.strictObject({
  name: runtimeName,
  engine: text,
  model,
  files: v.optional(text),
  fingerprint: v.optional(text),
  dtype: v.optional(text),
  device: v.optional(text),
  gives: v.array(name),
});

const problems = v.array(v.strictObject({ id: count, question: text, gold: v.optional(text) }));
const shortened = v.strictObject({ others: v.array(count), own: count });

const turn = v.strictObject({
  call: name,
  kind: name,
  agent: name,
  seat: count,
  layer: count,
  parents: indices,
  text,
  answer: v.optional(answer),
  finish: v.picklist(['stop', 'length']),
  tokens: count,
  ids: v.optional(packed),
  logprobs: v.optional(packed),
  margins: v.optional(packed),
  shortened: v.optional(shortened),
  runtime: v.optional(runtimeName),
  seed: v.optional(count),
  right: v.optional(v.boolean()),
});

const verdict = v.strictObject({
  by: name,
  of: indices,
  answer: v.optional(answer),
  count: v.optional(count),
  tied: v.optional(v.boolean()),
  distinct: v.optional(count),
  joined: v.optional(indices),
  scores: v.optional(v.array(finite)),
  ranking: v.optional(indices),
  right: v.optional(v.boolean()),
});

const turnRef = { problem: count, turn: count, group: v.optional(v.strictObject(groupKey)) };

const example = v.strictObject({
  ...turnRef,
  kind: name,
  weight: v.optional(finite),
  tokens: v.optional(packed),
  rejected: v.optional(v.strictObject(turnRef)),
  prompt: v.optional(count),
});

const track = v.strictObject({ adapter: name, loss: finite, gradNorm: finite, lr: finite, tokens: count });

const origin = v.union([
  v.strictObject({ job: name, steps: count }),
  v.strictObject({ merge: v.array(name), rule: name, lost: v.optional(share) }),
  v.strictObject({ imported: name }),
]);

const score = { right: count, unreadable: count, n: count };
const correct = v.pipe(v.string(), v.regex(/^[01]*$/, 'is not a text of 0 and 1'));

/** By type: an event is read by its own schema at once, whatever the number of types. */
export const EVENT_SCHEMAS = {
  'run-started': v.strictObject({
    type: v.literal('run-started'),
    format: v.literal(2),
    recipe: revision,
    preset: revision,
    task: revision,
    config,
    model,
    secondModel: v.optional(model),
    engine: text,
    arithmetic: count,
    runtimes: v.optional(v.array(runtime)),
    build: text,
    ...castSchema,
  }),
  problems: v.strictObject({ type: v.literal('problems'), split, iteration: count, problems }),
  'iteration-started': v.strictObject({ type: v.literal('iteration-started'), iteration: count }),
  episode: v.strictObject({
    type: v.literal('episode'),
    ...groupKey,
    problem: count,
    turns: v.array(turn),
    verdicts: v.array(verdict),
  }),
  dataset: v.strictObject({
    type: v.literal('dataset'),
    iteration: count,
    job: name,
    adapter: name,
    objective: v.strictObject({
      kind: v.picklist(['sft', 'dpo', 'kto', 'rank']),
      beta: v.optional(finite),
      margin: v.optional(finite),
    }),
    from: v.strictObject(groupKey),
    examples: v.array(example),
    available: tallies,
    dropped: v.array(v.strictObject({ reason: name, count })),
  }),
  'training-step': v.strictObject({
    type: v.literal('training-step'),
    iteration: count,
    job: name,
    step: count,
    totalSteps: count,
    tracks: v.array(track),
  }),
  'job-superseded': v.strictObject({
    type: v.literal('job-superseded'),
    iteration: count,
    job: name,
    steps: count,
  }),
  adapter: v.strictObject({ type: v.literal('adapter'), iteration: count, adapter: name, hash: hex, from: origin }),
  evaluation: v.strictObject({
    type: v.literal('evaluation'),
    iteration: count,
    learner: name,
    scores: v.array(v.strictObject({ method: name, calls: count, turns: indices, ...score, correct })),
    layers: v.array(
      v.strictObject({
        seats: v.array(v.strictObject({ right: count, unreadable: count })),
        consensus: v.optional(share),
        distinctAnswers: finite,
        distinctTexts: v.optional(finite),
      }),
    ),
  }),
  'pseudo-labels': v.strictObject({
    type: v.literal('pseudo-labels'),
    iteration: count,
    learner: name,
    problems: count,
    byVotes: v.array(v.strictObject({ votes: count, problems: count, right: count })),
    accepted: count,
    acceptedRight: count,
  }),
  judged: v.strictObject({
    type: v.literal('judged'),
    iteration: count,
    by: name,
    from: v.strictObject(groupKey),
    turns: v.array(v.strictObject({ problem: count, turn: count })),
    scores: v.array(finite),
  }),
  measured: v.strictObject({
    type: v.literal('measured'),
    iteration: count,
    learner: name,
    name,
    values: v.array(v.strictObject({ label: name, value: finite, of: v.optional(count) })),
  }),
  'run-finished': v.strictObject({ type: v.literal('run-finished'), iterations: count }),
} as const satisfies Record<RunEvent['type'], v.GenericSchema>;

/** The events of format 1, by type. */
const response = {
  text,
  finish: v.picklist(['stop', 'length']),
  tokens: count,
  logprobs: v.array(finite),
  margins: v.array(finite),
  shortened: v.optional(shortened),
};
const team = v.picklist(['base', 'society', 'single']);
const score1 = v.strictObject({ ...score, correct });
const kinds1 = v.picklist(['G', 'C-', 'C+', 'M']);

export const EVENT_SCHEMAS_1 = {
  'run-started': v.strictObject({
    type: v.literal('run-started'),
    format: v.literal(1),
    config,
    model,
    engine: text,
  }),
  problems: EVENT_SCHEMAS.problems,
  'iteration-started': EVENT_SCHEMAS['iteration-started'],
  debate: v.strictObject({
    type: v.literal('debate'),
    purpose: split,
    team,
    iteration: count,
    problem: count,
    responses: v.array(v.array(v.strictObject({ ...response, answer }))),
    summaries: v.optional(v.array(v.array(v.strictObject(response)))),
    votes: v.array(v.strictObject({ answer, count, tied: v.boolean() })),
  }),
  dataset: v.strictObject({
    type: v.literal('dataset'),
    iteration: count,
    adapter: name,
    entries: v.array(v.strictObject({ problem: count, kind: kinds1, agent: count, round: count })),
    available: tallies,
    dropped: v.array(v.strictObject({ reason: name, count })),
  }),
  'training-step': v.strictObject({
    type: v.literal('training-step'),
    iteration: count,
    team,
    step: count,
    totalSteps: count,
    tracks: v.array(track),
  }),
  'adapter-updated': v.strictObject({
    type: v.literal('adapter-updated'),
    iteration: count,
    adapter: name,
    steps: count,
    hash: text,
  }),
  'pseudo-labels': v.strictObject({
    type: v.literal('pseudo-labels'),
    iteration: count,
    team,
    problems: count,
    byVotes: v.array(v.strictObject({ votes: count, problems: count, right: count })),
    accepted: count,
    acceptedRight: count,
  }),
  evaluation: v.strictObject({
    type: v.literal('evaluation'),
    iteration: count,
    team,
    single: score1,
    majority: score1,
    debate: score1,
    perAgent: v.array(v.array(v.strictObject({ right: count, unreadable: count }))),
    consensus: v.array(finite),
    distinctAnswers: v.array(finite),
    distinctTexts: finite,
  }),
  'run-finished': EVENT_SCHEMAS['run-finished'],
} as const;
