/** Bodies of answers that have to fit in memory. */

/**
 * The whole body of an answer, unless it is longer than `most` bytes; no more than that is ever held. A body that sends slowly is ended
 * by the signal of its request.
 *
 * @param tooLong what is thrown for a longer body; the rest of it is not received then
 * @throws what the stream breaks off with
 */
export async function readBody(
  stream: ReadableStream<Uint8Array> | null,
  most: number,
  tooLong: () => Error,
): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = stream?.getReader();
  // Ends: a body brings `most` bytes or ends; empty pieces leave a turn for the signal that ends the request.
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > most) {
      await reader.cancel().catch(() => {});
      throw tooLong();
    }
    if (value.length > 0) pieces.push(value);
    else await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
