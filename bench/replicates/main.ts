/**
 * Writes the tables of docs/what-replicates.md anew between their marks, from the comparisons under bench/results/comparison.
 *
 *     npx tsx bench/replicates/main.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { written } from './page';

const PAGE = 'docs/what-replicates.md';
writeFileSync(PAGE, written(readFileSync(PAGE, 'utf8')));
