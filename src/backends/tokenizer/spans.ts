/** Texts that know which of their characters a template wrote and which stand in a message. */

export interface Piece {
  text: string;
  /** True = somebody's words: never a turn's mark, whatever they say. */
  content: boolean;
}

/** A text with a flag for each of its UTF-16 units: 1 = content. */
export class Spans {
  constructor(
    readonly text: string,
    readonly content: Uint8Array,
  ) {}

  static of(pieces: readonly Piece[]): Spans {
    const text = pieces.map((piece) => piece.text).join('');
    const content = new Uint8Array(text.length);
    let start = 0;
    for (const piece of pieces) {
      if (piece.content) content.fill(1, start, start + piece.text.length);
      start += piece.text.length;
    }
    return new Spans(text, content);
  }

  slice(start: number, end: number): Spans {
    return new Spans(this.text.slice(start, end), this.content.subarray(start, end));
  }

  /** Somebody's words are among these units. */
  holdsContent(start: number, end: number): boolean {
    for (let i = start; i < end; i++) if (this.content[i]) return true;
    return false;
  }
}
