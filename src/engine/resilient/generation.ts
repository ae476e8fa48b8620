/** Requests for text that are asked again, as far as they are unfinished, when the engine is lost. */
import type { Engine, GenerateOptions, GenerateRequest, GenerateResult } from '../types';

export class Generation {
  private readonly results: (GenerateResult | undefined)[];
  /** Tokens of each row that the caller has been told of. */
  private readonly told: number[];
  private attempts = 0;

  constructor(
    private readonly requests: readonly GenerateRequest[],
    private readonly options: GenerateOptions,
  ) {
    this.results = new Array<undefined>(requests.length).fill(undefined);
    this.told = new Array<number>(requests.length).fill(0);
  }

  /** Rows that have ended. */
  get finished(): number {
    return this.results.filter((result) => result !== undefined).length;
  }

  /**
   * Generates the rows that have not ended. Draws are keyed, so the same device gives the same tokens again; those that the
   * caller knows are not reported twice.
   */
  async run(engine: Engine): Promise<GenerateResult[]> {
    const attempt = ++this.attempts;
    const rows = this.requests.map((_, row) => row).filter((row) => this.results[row] === undefined);
    const seen = rows.map(() => 0);
    const { onTokens, signal } = this.options;
    const found = await engine.generate(
      rows.map((row) => this.requests[row] as GenerateRequest),
      {
        ...(signal && { signal }),
        ...(onTokens && {
          onTokens: (i: number, ids: number[]) => {
            // An engine that was given up may still be heard of.
            if (attempt !== this.attempts) return;
            const row = rows[i] as number;
            const known = (this.told[row] as number) - (seen[i] as number);
            seen[i] = (seen[i] as number) + ids.length;
            if (known >= ids.length) return;
            this.told[row] = seen[i] as number;
            onTokens(row, known > 0 ? ids.slice(known) : ids);
          },
        }),
        onRow: (i, result) => {
          if (attempt === this.attempts) this.end(rows[i] as number, result);
        },
      },
    );
    found.forEach((result, i) => this.end(rows[i] as number, result));
    return this.results as GenerateResult[];
  }

  private end(row: number, result: GenerateResult): void {
    if (this.results[row] !== undefined) return;
    this.results[row] = result;
    this.options.onRow?.(row, result);
  }
}
