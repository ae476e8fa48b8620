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

/** A new random identity. It is not part of the log, so it needs no seed. */
export function newRunIdentity(): RunIdentity {
  const words = crypto.getRandomValues(new Uint32Array(4));
  const id = [...words].map((word) => word.toString(16).padStart(8, '0')).join('');
  const adjectives = ADJECTIVES.split(' ');
  const nouns = NOUNS.split(' ');
  return { id, name: `${adjectives[words[0]! % adjectives.length]} ${nouns[words[1]! % nouns.length]}` };
}
