/** The setting `seats` as rows of a form. */
import { KIND_TITLES, readRuntime, RUNTIME_KINDS, type RuntimeKind } from '../recipes/seats';

export interface SeatRow {
  /** A seat's number from 1, or an agent's id. */
  who: string;
  kind: RuntimeKind;
  /** What stands behind the kind. */
  model: string;
}

/** What the form says of each kind. */
export const KINDS: Readonly<Record<RuntimeKind, { title: string; label: string; line: string; example: string }>> = {
  transformers: {
    title: KIND_TITLES.transformers,
    label: 'Model in ONNX',
    line: 'A model of this page, one that was copied under Models from a folder, or the address of one on the hub with a folder onnx. Behind # the device and the format: https://huggingface.co/onnx-community/Qwen2.5-0.5B-Instruct#webgpu/q4f16',
    example: 'arithmetic-0.4m',
  },
  'web-llm': {
    title: KIND_TITLES['web-llm'],
    label: 'Model of web-llm',
    line: 'A name of its list; or the address of a model that MLC compiled, then # and the address of its library. It needs WebGPU and downloads hundreds of megabytes.',
    example: 'Qwen2.5-0.5B-Instruct-q4f16_1-MLC',
  },
  endpoint: {
    title: 'a server (OpenAI’s protocol)',
    label: 'Address and model',
    line: 'The address up to /v1, then # and the model as the server names it. An adapter that the server has loaded is a model too.',
    example: 'http://127.0.0.1:8000/v1#model',
  },
};

export const EMPTY_SEAT: Readonly<SeatRow> = { who: '2', kind: 'transformers', model: KINDS.transformers.example };

export function seatsOf(seats: readonly string[]): SeatRow[] {
  return seats.map((text) => {
    const [, who = '', kind = '', model = ''] = /^([^=]*)=([a-z-]+):(.*)$/.exec(text) ?? [];
    return { who, kind: RUNTIME_KINDS.find((one) => one === kind) ?? 'transformers', model };
  });
}

export function textOf({ who, kind, model }: SeatRow): string {
  return `${who}=${kind}:${model}`;
}

/** Runtimes of these seats, each once, as logs name them; what is no runtime is left out. */
export function seatedNames(seats: readonly string[]): string[] {
  const names = seats.flatMap((text) => {
    try {
      return [readRuntime('seats', text.slice(text.indexOf('=') + 1)).name];
    } catch {
      // The form says what is wrong with it.
      return [];
    }
  });
  return [...new Set(names)];
}
