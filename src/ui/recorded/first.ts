/** Which recorded run is shown to somebody who did not choose one. */
import { DEFAULT_RECIPE } from '../../recipes';
import type { RecordedEntry } from '../../share/recorded';
import { recordedId } from '../../share/recordedNames';

/** Id of the recorded run that somebody without runs sees first. */
export const FIRST_RECORDED = recordedId({ name: `${DEFAULT_RECIPE}-arithmetic-tiny` });

/** What is known of an experiment. */
interface Wanted {
  recipe: { id: string };
  preset: { id: string };
  receipt?: { digest: string } | null;
}

/**
 * The recorded run that comes closest to an experiment: the run itself where it is one of them, else its preset as it is, else the first
 * of its recipe. Null where the site has none of the recipe.
 */
export function recordedLike(
  entries: readonly RecordedEntry[],
  { recipe, preset, receipt }: Wanted,
): RecordedEntry | null {
  const alike = entries.filter((entry) => entry.recipe === recipe.id && entry.variant === undefined);
  return (
    entries.find(({ runDigest }) => runDigest === receipt?.digest) ??
    alike.find((entry) => entry.preset === preset.id) ??
    alike[0] ??
    null
  );
}
