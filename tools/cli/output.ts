/**
 * What the commands print: with --json, machine-readable lines on stdout and nothing else; otherwise text for a person,
 * results on stdout and progress on stderr.
 */
export class Output {
  private progressShown = false;

  constructor(readonly json: boolean) {}

  /** One JSON object on a line of its own; only with --json. */
  object(value: unknown): void {
    if (this.json) process.stdout.write(JSON.stringify(value) + '\n');
  }

  /** A line for a person; not with --json. */
  line(text: string): void {
    if (this.json) return;
    this.clearProgress();
    process.stdout.write(text + '\n');
  }

  /** A remark for a person that is no result. */
  note(text: string): void {
    if (this.json) return;
    this.clearProgress();
    process.stderr.write(text + '\n');
  }

  /** A transient line that the next one replaces; silent when nobody watches. */
  progress(text: string): void {
    const watched = process.stderr.isTTY || process.env['POLYLOGUE_PROGRESS'] !== undefined;
    if (this.json || !watched) return;
    process.stderr.write(`\r\x1b[K${text}`);
    this.progressShown = true;
  }

  clearProgress(): void {
    if (!this.progressShown) return;
    process.stderr.write('\r\x1b[K');
    this.progressShown = false;
  }
}
