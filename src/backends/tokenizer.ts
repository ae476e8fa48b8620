/**
 * A model's tokenizer: transformers.js' AutoTokenizer over the files of any `FileSource` (a folder, a web address, a browser's
 * storage). The library is loaded when the first tokenizer is.
 */
import { FileError } from '../engine/errors';
import { label, parseJson, type FileSource } from '../engine/source';
import type { ChatMessage } from '../tasks/types';

export interface ChatTokenizer {
  hasChatTemplate: boolean;
  /** End of an assistant's turn in the chat template, else of a text; null when the tokenizer names none. */
  eosId: number | null;
  /**
   * Ids of the messages under the model's chat template; with `addGenerationPrompt` up to where the assistant's text begins.
   * @throws FileError when there is no chat template or it refuses the messages.
   */
  encodeChat(messages: readonly ChatMessage[], addGenerationPrompt: boolean): Promise<number[]>;
  /**
   * An assistant's turn as it is learnt: the ids of `encodeChat(messages, true)`, and the ids that `completion` has behind them, without the
   * end token. Both together are the template's own turn up to its end, wherever the template writes `completion` as it is right
   * behind the generation prompt and no token reaches over the border.
   * @throws FileError as `encodeChat`
   */
  encodeTurn(messages: readonly ChatMessage[], completion: string): Promise<Turn>;
  /** The same for a prompt without template: the ids of `encodeDocument(prompt)`, and those that `completion` has behind them. */
  encodeContinuation(prompt: string, completion: string): Promise<Turn>;
  /** Ids of the text as it is, no special tokens added. */
  encode(text: string): Promise<number[]>;
  /** Ids of a text that stands alone: before it what the tokenizer begins texts with by itself (Llama's BOS; most have nothing). */
  encodeDocument(text: string): Promise<number[]>;
  /** Text of the ids, special tokens left out. */
  decode(ids: readonly number[]): string;
  /** A token as the tokenizer's files name it, special ones too: for messages. */
  tokenText(id: number): string;
}

/** Ids of a prompt and of what follows it. */
export interface Turn {
  prompt: number[];
  completion: number[];
}

const TOKENIZER = 'tokenizer.json';
const CONFIG = 'tokenizer_config.json';
/** Newer repositories keep the template beside the configuration instead of in it. */
const TEMPLATE = 'chat_template.jinja';

type Library = typeof import('@huggingface/transformers');
/** Files handed to the library, by the path under which it asks for them. */
const served = new Map<string, Uint8Array>();
let loads = 0;

/** @throws FileError when tokenizer.json or tokenizer_config.json is missing or not a tokenizer's. */
export async function loadTokenizer(source: FileSource): Promise<ChatTokenizer> {
  const [tokenizerFile, configFile] = await Promise.all([source.read(TOKENIZER), source.read(CONFIG)]);
  parseJson(tokenizerFile, label(source, TOKENIZER));
  const config = await withTemplate(source, parseJson(configFile, label(source, CONFIG)));
  const library = await import('@huggingface/transformers');
  serveFiles(library.env);

  // The library remembers what it found under a name, so each load has a name of its own.
  const name = `polylogue/tokenizer-${loads++}`;
  served.set(`${name}/${TOKENIZER}`, tokenizerFile);
  served.set(`${name}/${CONFIG}`, new TextEncoder().encode(JSON.stringify(config)));
  try {
    const tokenizer = await library.AutoTokenizer.from_pretrained(name, { local_files_only: true });
    return wrap(tokenizer, label(source, CONFIG));
  } catch (cause) {
    throw new FileError(label(source, TOKENIZER), `is not a tokenizer that can be used (${messageOf(cause)})`, {
      cause,
    });
  } finally {
    served.delete(`${name}/${TOKENIZER}`);
    served.delete(`${name}/${CONFIG}`);
  }
}

type LibraryTokenizer = Awaited<ReturnType<Library['AutoTokenizer']['from_pretrained']>>;

/** What chat templates are told besides the messages; those without these switches do not look at them. */
const SWITCHES = {
  // Qwen3 would think aloud for longer than a response may be.
  enable_thinking: false,
  // Llama 3 would write today's date into every prompt: a run has to come out the same on another day. This is the date that
  // its template has for those who know none.
  date_string: '26 Jul 2024',
};

function wrap(tokenizer: LibraryTokenizer, file: string): ChatTokenizer {
  const eosId: unknown = turnEnd(tokenizer) ?? tokenizer.eos_token_id;
  const encode = (text: string): number[] => (text === '' ? [] : tokenizer.encode(text, { add_special_tokens: false }));
  const render = (messages: readonly ChatMessage[], addGenerationPrompt: boolean): string => {
    const options = { add_generation_prompt: addGenerationPrompt, tokenize: false, ...SWITCHES };
    try {
      return tokenizer.apply_chat_template([...messages], options) as unknown as string;
    } catch (cause) {
      throw new FileError(file, `the chat template cannot be used (${messageOf(cause)})`, { cause });
    }
  };
  const turn = (text: string, completion: string): Turn => {
    const prompt = encode(text);
    const whole = encode(text + completion);
    if (prompt.every((id, i) => whole[i] === id)) return { prompt, completion: whole.slice(prompt.length) };
    // A token reaches over the border. Behind a line break the completion has the ids of a text that goes on: some tokenizers put a
    // space before a text that stands alone.
    const [before, behind] = [encode('\n'), encode('\n' + completion)];
    const goesOn = before.every((id, i) => behind[i] === id);
    return { prompt, completion: goesOn ? behind.slice(before.length) : encode(completion) };
  };
  return {
    hasChatTemplate: Boolean(tokenizer.chat_template),
    eosId: typeof eosId === 'number' ? eosId : null,
    encodeChat: async (messages, addGenerationPrompt) => encode(render(messages, addGenerationPrompt)),
    encodeTurn: async (messages, completion) => turn(render(messages, true), completion),
    encodeContinuation: async (text, completion) => {
      const { prompt, completion: learnt } = turn(text, completion);
      return { prompt: [...textStart(tokenizer), ...prompt], completion: learnt };
    },
    encode: async (text) => encode(text),
    encodeDocument: async (text) => [...textStart(tokenizer), ...encode(text)],
    decode: (ids) =>
      // The library refuses an empty list.
      ids.length === 0
        ? ''
        : tokenizer.decode([...ids], { skip_special_tokens: true, clean_up_tokenization_spaces: false }),
    tokenText: (id) => tokenizer.decode([id], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
  };
}

/** What stands before a text where the tokenizer adds its special tokens. What some add after it does not count. */
function textStart(tokenizer: LibraryTokenizer): number[] {
  const [first] = tokenizer.encode(SAID, { add_special_tokens: false });
  const whole = tokenizer.encode(SAID, { add_special_tokens: true });
  return whole.slice(0, Math.max(0, whole.indexOf(first as number)));
}

/** Stands for what an assistant says. */
const SAID = 'QED';

/**
 * The first special token that the chat template has after what an assistant says. Some repositories name another one as their
 * end token, that of a text (Qwen2.5-0.5B without -Instruct).
 */
function turnEnd(tokenizer: LibraryTokenizer): number | undefined {
  if (!tokenizer.chat_template) return undefined;
  const turns = [
    { role: 'user', content: 'A' },
    { role: 'assistant', content: SAID },
  ];
  let text: string;
  try {
    text = tokenizer.apply_chat_template(turns, { tokenize: false, ...SWITCHES }) as unknown as string;
  } catch {
    // What is wrong with the template is said when it is used.
    return undefined;
  }
  const [, after = ''] = text.split(SAID);
  const special = new Set<number>(tokenizer.all_special_ids);
  return after === ''
    ? undefined
    : tokenizer.encode(after, { add_special_tokens: false }).find((id) => special.has(id));
}

/**
 * Our bytes come to the library through its hook for caches, so one code path serves Node and browsers, and it never goes to
 * the network by itself.
 */
function serveFiles(env: Library['env']): void {
  if (env.useCustomCache) return;
  env.useCustomCache = true;
  env.allowRemoteModels = false;
  // Off in browsers by default, and without it the library would not even ask the cache.
  env.allowLocalModels = true;
  env.customCache = {
    match(request: string): Promise<Response | undefined> {
      const path = [...served.keys()].find((candidate) => request.endsWith(candidate));
      const bytes = path === undefined ? undefined : served.get(path);
      return Promise.resolve(bytes && new Response(bytes as Uint8Array<ArrayBuffer>));
    },
    put: () => Promise.resolve(),
  };
}

/** The configuration with the template's own file, which goes before the configuration's as it does in transformers. */
async function withTemplate(source: FileSource, config: unknown): Promise<unknown> {
  const known = Boolean((config as { chat_template?: unknown } | null)?.chat_template);
  // Served models are spared a request for a file that they hardly ever have beside a template in the configuration.
  if ((known && source.remote) || !(await source.exists?.(TEMPLATE))) return config;
  return { ...(config as object), chat_template: new TextDecoder().decode(await source.read(TEMPLATE)) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
}
