/** Identities of runs: random ids, and names that people can tell apart and remember. */

const ADJECTIVES =
  'amber bold brisk calm candid clear coral cosy deft eager early fair fleet fond frank gentle glad golden ' +
  'green hazel honest keen kind light lively lucid mellow merry mild neat noble north open patient plain proud ' +
  'quick quiet ready rosy round silver sincere steady still sunny swift tidy true vivid warm wise';
const NOUNS =
  'agora badger bridge brook cedar chorus circle clover council cricket delta ember falcon fjord forum garden ' +
  'harbour heron island jury lantern larch lark maple meadow mill moot orchard otter panel parley pebble pine plaza ' +
  'quorum raven river robin salon senate siskin sparrow spruce square summit table thicket tide tower valley village ' +
  'wagtail willow wren';

export interface RunIdentity {
  id: string;
  name: string;
}

/** Names are drawn anew so often where they are taken; then a number tells two runs apart. */
const DRAWS = 20;

/** A new random identity. It is not part of the log, so it needs no seed. @param taken names of other runs */
export function newRunIdentity(taken: readonly string[] = []): RunIdentity {
  const words = crypto.getRandomValues(new Uint32Array(4));
  const id = [...words].map((word) => word.toString(16).padStart(8, '0')).join('');
  const names = Array.from({ length: DRAWS }, randomName);
  const name = names.find((one) => !taken.includes(one)) ?? `${names[0]} ${taken.length + 1}`;
  return { id, name };
}

function randomName(): string {
  const [first = 0, second = 0] = crypto.getRandomValues(new Uint32Array(2));
  const adjectives = ADJECTIVES.split(' ');
  const nouns = NOUNS.split(' ');
  return `${adjectives[first % adjectives.length]} ${nouns[second % nouns.length]}`;
}
