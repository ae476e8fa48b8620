/**
 * Log format 1 read as format 2. Format 1 knew one method, so what a log of format 2 says of itself is written down here as it was then;
 * these tables never change. The original lines stay where they are: the digest that a run recorded is over them.
 */
import type {
  Cast,
  DatasetBuilt,
  Episode,
  EvaluationDone,
  GroupKey,
  MethodScore,
  RunEvent,
  RunStarted,
  Turn,
  Verdict,
} from '../events';
import type { RunConfig } from '../recipes/config';
import type * as one from './format1';
import { LOGPROB_SCALE, MARGIN_SCALE, packNumbers } from '../pack';

/** Reads a log line by line: what an event means depends on the run's settings, which its first one holds. */
export class Lift {
  #config: RunConfig | null;

  /** @param config of the run, where reading begins behind its first event */
  constructor(config: RunConfig | null = null) {
    this.#config = config;
  }

  /** @param event of format 1, checked by `schema.ts` */
  event(event: one.Event1): RunEvent {
    switch (event.type) {
      case 'run-started':
        this.#config = event.config;
        return started(event);
      case 'debate':
        return episode(event);
      case 'dataset':
        return dataset(event, settingsOf(this.#config));
      case 'training-step': {
        const { type, iteration, step, totalSteps, tracks } = event;
        return { type, iteration, job: jobOf(iteration), step, totalSteps, tracks };
      }
      case 'adapter-updated': {
        const { iteration, adapter, hash, steps } = event;
        return { type: 'adapter', iteration, adapter, hash, from: { job: jobOf(iteration), steps } };
      }
      case 'evaluation':
        return evaluation(event, settingsOf(this.#config));
      case 'pseudo-labels': {
        const { team, ...rest } = event;
        return { ...rest, learner: team };
      }
      default:
        return event;
    }
  }
}

interface Settings1 {
  agents: number;
  rounds: number;
  singleAgentBaseline: boolean;
  summary?: string;
}

function settingsOf(config: RunConfig | null): Settings1 {
  return (config ?? { agents: 1, rounds: 1, singleAgentBaseline: false }) as unknown as Settings1;
}

/** Responses of a debate, and the summaries that the base model wrote before each round but the first. */
function debateCallsOf({ agents, rounds, summary }: Settings1): number {
  return agents * rounds + (summary === 'base-model' ? agents * (rounds - 1) : 0);
}

/** One training job an iteration trained everybody. */
function jobOf(iteration: number): string {
  return `finetune/${iteration}`;
}

function started({ config, model, engine }: one.RunStarted): RunStarted {
  return {
    type: 'run-started',
    format: 2,
    recipe: { id: config.recipe, revision: 1 },
    preset: { id: config.preset, revision: 1 },
    task: { id: config.task, revision: 1 },
    config,
    model,
    engine,
    arithmetic: 1,
    build: '0.1',
    ...castOf(settingsOf(config)),
  };
}

/** Who took part in multiagent finetuning when logs had format 1. */
export function castOf(settings: Settings1): Cast {
  const { agents: count, rounds, singleAgentBaseline } = settings;
  const seats = Array.from({ length: count }, (_, seat) => seat);
  const letter = (seat: number) => String.fromCharCode(65 + seat);
  const agent = (role: string) => (seat: number) => ({
    id: `${role}-${seat}`,
    label: `${role} ${letter(seat)}`,
    role,
    seat,
    adapter: `${role}-${seat}`,
  });
  const generators = seats.map(agent('generator'));
  const critics = rounds > 1 ? seats.map(agent('critic')) : [];
  const base = { id: 'base', label: 'untouched model', role: 'untouched model', seat: null, adapter: null };
  const single = { id: 'single', label: 'single model', role: 'single model', seat: null, adapter: 'single' };
  const trained = [...generators, ...critics];
  const debateCalls = debateCallsOf(settings);
  const ways = (learner: string, names: [key: string, label: string][]) =>
    names.map(([key, label], way) => ({
      key,
      label,
      learner,
      answer: ['single', 'majority', 'debate'][way] as string,
      calls: [1, count, debateCalls][way] as number,
    }));
  return {
    agents: [base, ...trained, ...(singleAgentBaseline ? [single] : [])],
    learners: [
      { key: 'base', label: 'Base, no finetuning', name: 'the untouched model', agents: [] },
      ...(singleAgentBaseline
        ? [{ key: 'single', label: 'Single-agent finetuning', name: 'one model', agents: ['single'] }]
        : []),
      { key: 'society', label: 'Society finetuning', name: 'the society', agents: trained.map(({ id }) => id) },
    ],
    methods: [
      ...ways('base', [
        ['single', 'Single sample'],
        ['majority', 'Majority of N'],
        ['debate', 'Debate without finetuning'],
      ]),
      ...(singleAgentBaseline
        ? ways('single', [
            ['singleAgentSingle', 'Single-agent finetuning, one sample'],
            ['singleAgentMajority', 'Single-agent finetuning, majority'],
            ['singleAgentDebate', 'Single-agent finetuning, debate'],
          ])
        : []),
      ...ways('society', [
        ['societySingle', 'Society finetuning, one sample'],
        ['societyMajority', 'Society finetuning, majority of generators'],
        ['societyDebate', 'Society finetuning, debate'],
      ]),
    ],
    compare: [
      ['societyDebate', 'debate'],
      ...(singleAgentBaseline
        ? ([
            ['societyDebate', 'singleAgentDebate'],
            ['singleAgentDebate', 'debate'],
          ] as [string, string][])
        : []),
      ['societyMajority', 'majority'],
      ['societySingle', 'single'],
    ],
  };
}

/** Rounds become layers; a summary that is read in a round belongs to that round's layer. */
function episode({ purpose, team, iteration, problem, responses, summaries, votes }: one.DebateHeld): Episode {
  const turns: Turn[] = [];
  const verdicts: Verdict[] = [];
  let before: number[] = [];
  responses.forEach((round, m) => {
    const read = summaries?.[m - 1]?.map((summary, seat) => {
      turns.push({
        call: `summary-${m + 1}-${seat}`,
        kind: 'summary',
        agent: 'base',
        seat,
        layer: m,
        parents: before.filter((_, other) => other !== seat),
        ...text(summary),
      });
      return turns.length - 1;
    });
    const now = round.map((response, seat) => {
      const others = read ? [read[seat] as number] : before.filter((_, other) => other !== seat);
      turns.push({
        call: m === 0 ? `answer-${seat}` : `revision-${m + 1}-${seat}`,
        kind: m === 0 ? 'answer' : 'revision',
        agent: agentOf(team, m, seat),
        seat,
        layer: m,
        parents: m === 0 ? [] : [before[seat] as number, ...others],
        ...text(response),
        answer: response.answer,
      });
      return turns.length - 1;
    });
    const vote = votes[m];
    if (vote) verdicts.push({ by: 'vote', of: now, ...vote });
    before = now;
  });
  return { type: 'episode', purpose, learner: team, iteration, problem, turns, verdicts };
}

function agentOf(team: one.Team, m: number, seat: number): string {
  if (team !== 'society') return team;
  return `${m === 0 ? 'generator' : 'critic'}-${seat}`;
}

function text({ text, finish, tokens, logprobs, margins, shortened }: one.LoggedSummary) {
  return {
    text,
    finish,
    tokens,
    logprobs: packNumbers(logprobs, LOGPROB_SCALE),
    margins: packNumbers(margins, MARGIN_SCALE),
    ...(shortened && { shortened }),
  };
}

function dataset(
  { type, iteration, adapter, entries, available, dropped }: one.DatasetBuilt,
  settings: Settings1,
): DatasetBuilt {
  const from: GroupKey = { purpose: 'train', learner: adapter === 'single' ? 'single' : 'society', iteration };
  return {
    type,
    iteration,
    job: jobOf(iteration),
    adapter,
    objective: { kind: 'sft' },
    from,
    examples: entries.map(({ problem, kind, agent, round }) => ({
      problem,
      turn: turnAt(settings, round, agent),
      kind,
    })),
    available: available as Record<string, number>,
    dropped,
  };
}

/**
 * Index of a response in its episode: from round 2 on, summaries stand before the responses of a round where a model writes them.
 * @param round 1..M
 */
function turnAt({ agents, summary }: Settings1, round: number, agent: number): number {
  const before = summary === 'base-model' ? agents * (2 * round - 2) : agents * (round - 1);
  return before + agent;
}

function evaluation(event: one.EvaluationDone, settings: Settings1): EvaluationDone {
  const { agents, rounds } = settings;
  const { iteration, team, perAgent, consensus, distinctAnswers, distinctTexts } = event;
  const round = (m: number) => Array.from({ length: agents }, (_, seat) => turnAt(settings, m, seat));
  const score = (answer: 'single' | 'majority' | 'debate', calls: number, turns: number[]) => {
    const { right, unreadable, n, correct }: MethodScore = event[answer];
    return { method: methodKey(team, answer), calls, turns, right, unreadable, n, correct };
  };
  return {
    type: 'evaluation',
    iteration,
    learner: team,
    scores: [
      score('single', 1, [0]),
      score('majority', agents, round(1)),
      score('debate', debateCallsOf(settings), round(rounds)),
    ],
    layers: perAgent.map((seats, m) => ({
      seats,
      consensus: consensus[m] ?? 0,
      distinctAnswers: distinctAnswers[m] ?? 0,
      ...(m === 0 && { distinctTexts }),
    })),
  };
}

function methodKey(team: one.Team, answer: 'single' | 'majority' | 'debate'): string {
  if (team === 'base') return answer;
  const prefix = team === 'society' ? 'society' : 'singleAgent';
  return `${prefix}${answer[0]?.toUpperCase()}${answer.slice(1)}`;
}
