/** What a comparison between seeds can resolve: Student's t at any level, and the smallest difference that is likely to be seen. */
import { studentTwoSided } from './statistics';

/** The t with P(|T| ≥ t) = `level`, by bisection. @param level above 0, below 1 */
export function studentT(level: number, freedom: number): number {
  let [low, high] = [0, 1];
  while (studentTwoSided(high, freedom) > level) high *= 2;
  for (let step = 0; step < 80; step++) {
    const middle = (low + high) / 2;
    if (studentTwoSided(middle, freedom) > level) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * The smallest true difference that a two-sided t test at 5 % finds with 80 % chance, as (t₀.₉₇₅ + t₀.₈₀) · s / √n. It is the usual
 * approximation of the noncentral t; s is itself an estimate, and of few seeds a rough one.
 * @param deviation between-seed standard deviation of the difference
 * @returns null for fewer than two seeds
 */
export function smallestSeen(deviation: number | null, seeds: number): number | null {
  if (deviation === null || seeds < 2) return null;
  return ((studentT(0.05, seeds - 1) + studentT(0.4, seeds - 1)) * deviation) / Math.sqrt(seeds);
}
