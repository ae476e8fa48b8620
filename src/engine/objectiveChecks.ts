/** What each objective needs of a track. */
import { RequestError } from './errors';
import type { Objective, TrainTrack } from './types';

/**
 * Checks what an objective needs of a track beyond what supervised finetuning does.
 * @throws RequestError naming the track and the pair, example or setting
 */
export function checkObjective(objective: Objective, track: TrainTrack): void {
  const where = `training of adapter ${track.adapter}`;
  const refuse = (what: string): never => {
    throw new RequestError(`${where}: ${what}`);
  };
  if (objective === 'sft') {
    if (track.pairs) refuse('pairs belong to the objectives dpo and rank');
    if (track.mismatched) refuse('mismatched examples belong to the objective kto');
    return;
  }
  if (track.reference === track.adapter) refuse('an adapter that is being trained cannot be its own reference');
  if (objective.kind === 'kto') return checkKto(track, refuse);
  if (objective.kind === 'rank' && track.reference != null) refuse('the objective rank has no reference');
  const pairs = track.pairs ?? refuse(`the objective ${objective.kind} needs pairs`);
  pairs.forEach(({ chosen, rejected }, index) => {
    for (const [name, example] of Object.entries({ chosen, rejected }))
      if (!track.examples[example])
        refuse(`pair ${index + 1} has example ${example + 1} as ${name}, and there are ${track.examples.length}`);
    if (chosen === rejected) refuse(`pair ${index + 1} has one example as chosen and as rejected`);
  });
}

function checkKto(track: TrainTrack, refuse: (what: string) => never): void {
  if (track.pairs) refuse('pairs belong to the objectives dpo and rank');
  for (const index of new Set(track.batches.flat())) {
    if (typeof track.examples[index]?.desirable !== 'boolean')
      refuse(`example ${index + 1} does not say whether it is desirable, which the objective kto needs`);
  }
  if (!track.mismatched) return;
  if (track.mismatched.length !== track.batches.length)
    refuse(`${track.mismatched.length} lists of mismatched examples for ${track.batches.length} batches`);
  for (const index of track.mismatched.flat())
    if (!track.examples[index]) refuse(`a mismatched example is ${index + 1}, and there are ${track.examples.length}`);
}
