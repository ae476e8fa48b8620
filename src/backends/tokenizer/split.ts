/** Cutting a text at the matches of a pattern, as `NormalizedString::split` of the Rust library `tokenizers`. */

export type Behaviour = 'Removed' | 'Isolated' | 'MergedWithPrevious' | 'MergedWithNext' | 'Contiguous';

/** A stretch of the text; `match` = the pattern found it. */
interface Stretch {
  start: number;
  end: number;
  match: boolean;
}

/** @param invert what lies between the matches is cut at instead */
export function split(word: string, found: RegExp, behaviour: Behaviour, invert: boolean): string[] {
  const stretches = stretchesOf(word, found, invert);
  const kept = merge(stretches, behaviour);
  return kept.filter(({ start, end }) => end > start).map(({ start, end }) => word.slice(start, end));
}

function stretchesOf(word: string, found: RegExp, invert: boolean): Stretch[] {
  const stretches: Stretch[] = [];
  let before = 0;
  for (const { index, 0: match } of word.matchAll(found)) {
    if (index > before) stretches.push({ start: before, end: index, match: invert });
    stretches.push({ start: index, end: index + match.length, match: !invert });
    before = index + match.length;
  }
  if (before < word.length) stretches.push({ start: before, end: word.length, match: invert });
  return stretches;
}

function merge(stretches: Stretch[], behaviour: Behaviour): Stretch[] {
  switch (behaviour) {
    case 'Isolated':
      return stretches;
    case 'Removed':
      return stretches.filter(({ match }) => !match);
    case 'Contiguous':
      return joined(stretches, (match, previous) => match === previous);
    case 'MergedWithPrevious':
      return joined(stretches, (match, previous) => match && !previous);
    case 'MergedWithNext':
      return joined(stretches.toReversed(), (match, previous) => match && !previous).reverse();
  }
}

/** Stretches, each joined to the one before it where `joins` says so; they come in either direction. */
function joined(stretches: readonly Stretch[], joins: (match: boolean, previous: boolean) => boolean): Stretch[] {
  const result: Stretch[] = [];
  let previous = false;
  for (const stretch of stretches) {
    const last = result.at(-1);
    if (last && joins(stretch.match, previous)) {
      last.start = Math.min(last.start, stretch.start);
      last.end = Math.max(last.end, stretch.end);
    } else {
      result.push({ ...stretch });
    }
    previous = stretch.match;
  }
  return result;
}
