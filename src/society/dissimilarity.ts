/** How far texts about one problem lie from each other, by their embeddings. */

/**
 * For each embedding [D] its mean cosine distance 1 − cos to the others of its group, 0..2; 0 where it is alone. The mean over a group is the
 * mean over its pairs.
 * @param groups which of them belong together, by name
 */
export function dissimilarities(embeddings: readonly ArrayLike<number>[], groups: readonly string[]): number[] {
  const members = new Map<string, number[]>();
  groups.forEach((group, at) => members.set(group, [...(members.get(group) ?? []), at]));
  return embeddings.map((own, at) => {
    const others = (members.get(groups[at] as string) ?? []).filter((other) => other !== at);
    const distances = others.map((other) => 1 - cosine(own, embeddings[other] as ArrayLike<number>));
    return distances.length === 0 ? 0 : distances.reduce((sum, one) => sum + one, 0) / distances.length;
  });
}

/** In 64 bits; of a vector of zeros it is 0. */
function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const norms = Math.sqrt(product(a, a) * product(b, b));
  return norms === 0 ? 0 : product(a, b) / norms;
}

function product(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
