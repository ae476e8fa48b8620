/** A lane's side: computes what the exact engine asks, in a thread of its own, one call after the other. */
import { onWork } from '../work';
import type { RowSource, RowWatch } from '../reference/generate';
import { passedError, type FromLane, type LanePort, type LaneRequest, type ToLane } from './laneMessages';
import { WasmCompute } from './wasmCompute';

/** Between two signs of life. */
const WORKED_MS = 1000;

export function serveLane(port: LanePort<ToLane, FromLane>): void {
  let compute: WasmCompute | null = null;
  let abort = new AbortController();
  let answerRows: (given: Awaited<ReturnType<RowSource>>) => void = () => {};
  let tail = Promise.resolve();

  const opened = (): WasmCompute => {
    if (!compute) throw new Error('the lane was not opened');
    return compute;
  };

  const generate = async ({
    rows,
    more,
    watched,
    parts,
  }: Extract<LaneRequest, { kind: 'generate' }>): Promise<void> => {
    let first: Awaited<ReturnType<RowSource>> | null = { rows, more };
    const source: RowSource = (count) => {
      if (first) {
        const given = first;
        first = null;
        return given;
      }
      return new Promise((resolve) => {
        answerRows = resolve;
        port.post({ kind: 'take', count });
      });
    };
    // Tokens of one step go together.
    let tokens: [row: number, ids: number[]][] = [];
    const pass = (): void => {
      if (tokens.length > 0) port.post({ kind: 'tokens', tokens });
      tokens = [];
    };
    const watch: RowWatch = {
      signal: abort.signal,
      onTokens: watched ? (row, ids) => void tokens.push([row, ids]) : undefined,
      onStep: pass,
      onRow: (row, result) => {
        pass();
        port.post({ kind: 'row', row, result });
      },
    };
    await opened().generateFrom(source, watch, parts);
  };

  const perform = async (request: LaneRequest): Promise<{ value: unknown; transfer?: Transferable[] }> => {
    switch (request.kind) {
      case 'open':
        compute = await WasmCompute.create(request.weights, request.options);
        return { value: null };
      case 'setAdapter':
        return { value: await opened().setAdapter(request.id, request.weights) };
      case 'deleteAdapter':
        return { value: await opened().deleteAdapter(request.id) };
      case 'generate':
        return { value: await generate(request) };
      case 'score':
        return { value: await opened().score(request.requests, abort.signal) };
      case 'embed':
        return { value: await opened().embed(request.requests) };
      case 'reward':
        return { value: await opened().reward(request.requests, abort.signal) };
      case 'grams': {
        let value = new Float32Array();
        await opened().grams([request.request], request.projections, (_, grams) => (value = grams.slice()));
        return { value, transfer: [value.buffer] };
      }
      case 'logits':
        return { value: await opened().logits(request.request) };
      case 'gradient': {
        let value = null;
        let room = request.room;
        await opened().gradients(
          [request.work],
          (_, loss, gradient) => {
            if (room?.length !== gradient.length) room = new Float32Array(gradient.length);
            room.set(gradient);
            value = { loss, gradient: room };
          },
          abort.signal,
        );
        return { value, transfer: room ? [room.buffer] : [] };
      }
    }
  };

  const answer = async (call: number, request: LaneRequest): Promise<void> => {
    try {
      const { value, transfer } = await perform(request);
      const { saturated, bytes } = opened();
      port.post({ kind: 'done', call, value, saturated, bytes }, transfer);
    } catch (error) {
      port.post({ kind: 'failed', call, error: passedError(error) });
    }
  };

  let last = 0;
  onWork(() => {
    const now = performance.now();
    if (now - last < WORKED_MS) return;
    last = now;
    port.post({ kind: 'worked' });
  });
  port.listen((message) => {
    if (message.kind === 'call') {
      tail = tail.then(() => answer(message.call, message.request));
    } else if (message.kind === 'rows') {
      answerRows({ rows: message.rows, more: message.more });
    } else {
      abort.abort();
      answerRows({ rows: [], more: false });
      // What was asked before is given up; what is asked from now on is not.
      tail = tail.then(() => void (abort = new AbortController()));
    }
  });
}
