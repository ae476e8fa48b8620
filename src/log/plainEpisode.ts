/**
 * A quick look at an episode, by far the most of a log: true where `EVENT_SCHEMAS.episode` would accept it for sure. What it does not
 * recognise is read by the schema, which also says what is wrong. A test holds that it never accepts more.
 */

const EPISODE = new Set(['type', 'purpose', 'learner', 'iteration', 'part', 'problem', 'turns', 'verdicts']);
const TURN = new Set(
  ['call', 'kind', 'agent', 'seat', 'layer', 'parents', 'text', 'answer', 'finish', 'tokens'].concat([
    'ids',
    'logprobs',
    'margins',
    'right',
  ]),
);
const VERDICT = new Set(['by', 'of', 'answer', 'count', 'tied', 'distinct', 'joined', 'right']);
const PACKED = /^[A-Za-z0-9+/]*$/;

type Fields = Record<string, unknown>;

export function isPlainEpisode(value: object): boolean {
  const episode = value as Fields;
  return (
    hasOnly(episode, EPISODE) &&
    episode['type'] === 'episode' &&
    (episode['purpose'] === 'train' || episode['purpose'] === 'evaluation') &&
    isName(episode['learner']) &&
    isCount(episode['iteration']) &&
    isCount(episode['problem']) &&
    (episode['part'] === undefined ? !('part' in episode) : isName(episode['part'])) &&
    every(episode['turns'], isPlainTurn) &&
    every(episode['verdicts'], isPlainVerdict)
  );
}

function isPlainTurn(value: unknown): boolean {
  if (!isObject(value) || !hasOnly(value, TURN)) return false;
  const { call, kind, agent, seat, layer, parents, text, answer, finish, tokens, ids, logprobs, margins, right } =
    value;
  return (
    isName(call) &&
    isName(kind) &&
    isName(agent) &&
    isCount(seat) &&
    isCount(layer) &&
    every(parents, isCount) &&
    typeof text === 'string' &&
    isAnswer(answer) &&
    (finish === 'stop' || finish === 'length') &&
    isCount(tokens) &&
    isPacked(ids) &&
    isPacked(logprobs) &&
    isPacked(margins) &&
    isFlag(right)
  );
}

function isPlainVerdict(value: unknown): boolean {
  if (!isObject(value) || !hasOnly(value, VERDICT)) return false;
  const { by, of, answer, count, tied, distinct, joined, right } = value;
  return (
    isName(by) &&
    every(of, isCount) &&
    isAnswer(answer) &&
    (count === undefined || isCount(count)) &&
    isFlag(tied) &&
    (distinct === undefined || isCount(distinct)) &&
    (joined === undefined || every(joined, isCount)) &&
    isFlag(right)
  );
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasOnly(value: Fields, known: ReadonlySet<string>): boolean {
  for (const key in value) if (!known.has(key)) return false;
  return true;
}

function every(value: unknown, fits: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(fits);
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value.length >= 1 && value.length <= 200;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Text, null, or absent. */
function isAnswer(value: unknown): boolean {
  return value === undefined || value === null || typeof value === 'string';
}

function isPacked(value: unknown): boolean {
  return value === undefined || (typeof value === 'string' && PACKED.test(value));
}

function isFlag(value: unknown): boolean {
  return value === undefined || typeof value === 'boolean';
}
