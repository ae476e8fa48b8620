/** The ends of a set of chunks; there are more of them than a call takes arguments. */

export function smallest(chunks: ReadonlySet<number>): number {
  let found = Infinity;
  for (const chunk of chunks) if (chunk < found) found = chunk;
  return found;
}

export function largest(chunks: ReadonlySet<number>): number {
  let found = -Infinity;
  for (const chunk of chunks) if (chunk > found) found = chunk;
  return found;
}
