/** A model's tokenizer and chat template, in one thread. `src/backends/tokenizer.ts` runs it where it can be ended. */
import { FileError } from '../../engine/errors';
import type { ChatMessage } from '../../tasks/types';
import { DATE, Template, TemplateError, TooMuchError, Words, type Value } from '../template';
import { at, object, refuse, type Json, type Place } from './fields';
import { TextTokenizer } from './textTokenizer';
import type { Piece } from './spans';

/** Ids of a prompt and of what follows it. */
export interface Turn {
  prompt: number[];
  completion: number[];
}

/** What chat templates are told besides the messages; those without these switches do not look at them. */
const SWITCHES: Record<string, Value> = {
  // Qwen3 would think aloud for longer than a response may be.
  enable_thinking: false,
  date_string: new Words(DATE),
  tools: null,
  documents: null,
};

const SPECIAL_NAMES = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

/** Stands for what an assistant says. */
const SAID = 'QED';

export interface ChatFiles {
  tokenizer: unknown;
  config: unknown;
  names: { tokenizer: string; config: string };
}

export class LocalChat {
  readonly text: TextTokenizer;
  readonly hasChatTemplate: boolean;
  readonly eosId: number | null;
  #template: Template | TemplateError | null;
  readonly #names: Record<string, Value>;
  readonly #start: readonly number[];
  readonly #file: string;

  /** @throws FileError that names file and field */
  constructor({ tokenizer, config, names }: ChatFiles) {
    this.#file = names.config;
    const place: Place = { file: names.config, path: '' };
    const settings = object(config, { file: names.config, path: 'tokenizer_config' });
    this.text = new TextTokenizer(tokenizer, names.tokenizer);
    this.#names = specialNames(settings, place);
    const source = templateSource(settings['chat_template'], at(place, 'chat_template'));
    this.hasChatTemplate = source !== null;
    this.#template = source === null ? null : readTemplate(source);
    this.#start = startOf(settings, this.text, this.#names);
    const eos = this.#names['eos_token'];
    const marks = this.#marks();
    this.text.keep(this.#namedTokens(), marks);
    this.eosId = this.#turnEnd() ?? (eos instanceof Words ? (this.text.id(eos.text) ?? null) : null);
  }

  /** @throws FileError when there is no chat template or it refuses the messages */
  encodeChat(messages: readonly ChatMessage[], addGenerationPrompt: boolean): number[] {
    return this.text.encode(this.#render(messages, addGenerationPrompt));
  }

  encodeTurn(messages: readonly ChatMessage[], completion: string): Turn {
    return this.#turn(this.#render(messages, true), completion);
  }

  encodeContinuation(prompt: string, completion: string): Turn {
    const turn = this.#turn([{ text: prompt, content: true }], completion);
    return { prompt: [...this.#start, ...turn.prompt], completion: turn.completion };
  }

  encode(text: string): number[] {
    return this.text.encode([{ text, content: true }]);
  }

  unknownIn(text: string): string[] {
    return this.text.unknownIn([{ text, content: true }]);
  }

  encodeDocument(text: string): number[] {
    return [...this.#start, ...this.encode(text)];
  }

  /** Where a token reaches over the border, the prompt's ids stay those that a response is asked with. */
  #turn(pieces: readonly Piece[], completion: string): Turn {
    const behind: Piece = { text: completion, content: true };
    const prompt = this.text.encode(pieces);
    const whole = this.text.encode([...pieces, behind]);
    const begins = whole.length >= prompt.length && prompt.every((id, i) => whole[i] === id);
    return { prompt, completion: begins ? whole.slice(prompt.length) : this.text.encode([behind], true) };
  }

  #render(messages: readonly ChatMessage[], addGenerationPrompt: boolean): Piece[] {
    const fail = (why: string, cause?: unknown): never => {
      throw new FileError(this.#file, `the chat template cannot be used (${why})`, { cause });
    };
    if (!this.#template) return fail('there is none');
    if (this.#template instanceof TemplateError) return fail(this.#template.message, this.#template);
    const told = messages.map(
      ({ role, content }) =>
        new Map<string, Value>([
          ['role', new Words(role)],
          ['content', Words.of(content, true)],
        ]),
    );
    try {
      return this.#template.render({
        messages: told,
        add_generation_prompt: addGenerationPrompt,
        ...SWITCHES,
        ...this.#names,
      });
    } catch (cause) {
      return fail(cause instanceof Error ? cause.message : String(cause), cause);
    }
  }

  /** The template's pieces for a conversation, or null where it refuses: what is wrong is said when it is used. */
  #tried(messages: readonly ChatMessage[]): Piece[] | null {
    try {
      return this.#template ? this.#render(messages, false) : null;
    } catch (error) {
      // Once is enough: it would take as much again.
      const { cause } = error as Error;
      if (cause instanceof TooMuchError) this.#template = cause;
      return null;
    }
  }

  /**
   * Tokens that no content may become: beside the special ones those that the configuration names, and those with which the template marks
   * turns, whatever the file calls them. Other added tokens (`<think>`) are text's own, as under `split_special_tokens` in transformers.
   */
  #marks(): Set<number> {
    const user: ChatMessage = { role: 'user', content: 'A' };
    const pieces =
      this.#tried([{ role: 'system', content: 'B' }, user, { role: 'assistant', content: SAID }, user]) ??
      this.#tried([user, { role: 'assistant', content: SAID }, user]) ??
      this.#tried([user]) ??
      [];
    return this.text.addedIn(pieces);
  }

  #namedTokens(): number[] {
    const named = Object.values(this.#names).map((name) => (name instanceof Words ? name.text : ''));
    return this.text.added.filter(({ content }) => named.includes(content)).map(({ id }) => id);
  }

  /**
   * The first special token that the chat template has after what an assistant says. Some repositories name another one as their
   * end token, that of a text (Qwen2.5-0.5B without -Instruct).
   */
  #turnEnd(): number | undefined {
    const pieces = this.#tried([
      { role: 'user', content: 'A' },
      { role: 'assistant', content: SAID },
    ]);
    const said = pieces?.findLastIndex(({ content, text }) => content && text.includes(SAID)) ?? -1;
    if (!pieces || said < 0) return undefined;
    const written = new Set(this.text.added.filter(({ special }) => special).map(({ id }) => id));
    return this.text.encode(pieces.slice(said + 1)).find((id) => written.has(id));
  }
}

function readTemplate(source: string): Template | TemplateError {
  try {
    return new Template(source);
  } catch (error) {
    if (error instanceof TemplateError) return error;
    throw error;
  }
}

/** The default template where there are several. */
function templateSource(value: unknown, place: Place): string | null {
  if (value === undefined || value === null || value === '') return null;
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return refuse(place, 'is neither text nor a list');
  const chosen = value.find((one) => (one as { name?: unknown } | null)?.name === 'default') as Json | undefined;
  if (typeof chosen?.['template'] !== 'string') return refuse(place, 'has no template named "default"');
  return chosen['template'];
}

function specialNames(settings: Json, place: Place): Record<string, Value> {
  const names: Record<string, Value> = {};
  for (const name of SPECIAL_NAMES) {
    const value = settings[name];
    if (value === undefined || value === null) continue;
    const content = typeof value === 'string' ? value : (value as Json)['content'];
    if (typeof content !== 'string') return refuse(at(place, name), 'names no token');
    names[name] = new Words(content);
  }
  return names;
}

/**
 * Ids before a text that stands alone. transformers gives Llama's tokenizers a post-processor of its own, from `add_bos_token`.
 */
function startOf(settings: Json, tokenizer: TextTokenizer, names: Record<string, Value>): readonly number[] {
  const { tokenizer_class: name, add_bos_token: adds } = settings;
  if (!/^(?:Code)?Llama(?:Tokenizer|TokenizerFast)$/.test(String(name)) || typeof adds !== 'boolean')
    return tokenizer.start;
  const bos = names['bos_token'] instanceof Words ? tokenizer.id(names['bos_token'].text) : undefined;
  return adds && bos !== undefined ? [bos] : adds ? tokenizer.start : [];
}
