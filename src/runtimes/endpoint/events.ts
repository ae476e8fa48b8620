/** Server-sent events of a response body, as far as the protocol of chat completions uses them. */

/** Characters of a response at most: what is longer is no answer to any prompt. */
const MOST = 8_000_000;

/** The stream holds more than an answer can. */
export class TooLongError extends Error {}

/**
 * Data of each event, as it comes. Comments and other fields are passed over; the last event counts without an empty line too.
 * @param body bytes in UTF-8; @param heard called for each piece that arrives
 */
export async function* eventsOf(
  body: ReadableStream<Uint8Array>,
  heard: () => void = () => {},
): AsyncGenerator<string, void, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let [rest, size]: [string, number] = ['', 0];
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      heard();
      const text = done ? decoder.decode() : decoder.decode(value, { stream: true });
      size += text.length;
      if (size > MOST) throw new TooLongError(`more than ${MOST} characters came`);
      // A line may end between the two characters of its end: the last one waits for what follows.
      const lines = `${rest}${text}${done ? '\n' : ''}`.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
        if (line !== '' || data.length === 0) continue;
        yield data.join('\n');
        data = [];
      }
      if (done) break;
    }
    if (data.length > 0) yield data.join('\n');
  } finally {
    await reader.cancel().catch(() => {});
  }
}
