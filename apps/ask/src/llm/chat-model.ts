/**
 * A LangChain chat model as the relay's `LanguageModel`.
 *
 *   GenerateRequest ──► [system, human, so far] ──► model.stream() ──► chunks ──► text … text, done
 *
 * What LangChain does not do is done here, for every model alike: four time limits (watch.ts), one class for
 * every failure (failures.ts), and no end without a finish. LangChain's OpenAI stream simply ends when it is
 * aborted, and also when the connection closes early without an error; so the end of the chunks proves
 * nothing, and only a finish reason from the provider makes a `done`.
 *
 * Each request opens a model of its own: a fetch belongs to one request here, and aborting one of the requests of
 * a shared `ChatOllama` aborts all of them.
 */
import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import type { AIMessageChunk, BaseMessage } from '@langchain/core/messages'
import type { GenerateEvent, GenerateRequest, LanguageModel, Source, Usage } from '@millrace/relay'
import { AIMessage, HumanMessage, SystemMessage } from '@langchain/core/messages'
import { contentFilterError, cutError, failedError, toGenerateError } from './failures.ts'
import type { Limits } from './limits.ts'
import { Watch } from './watch.ts'

export interface LangChainModelOptions {
  readonly label: string
  /** True for a model that continues behind its own text, given to it as the last message. Default false. */
  readonly canContinue?: boolean
  readonly limits: Limits
  /** A fresh model, whose requests go through `fetch` and which retries nothing by itself. */
  open(fetch: typeof globalThis.fetch): BaseChatModel
}

export class LangChainModel implements LanguageModel {
  readonly label: string
  readonly canContinue: boolean
  readonly #limits: Limits
  readonly #open: LangChainModelOptions['open']

  constructor(options: LangChainModelOptions) {
    this.label = options.label
    this.canContinue = options.canContinue ?? false
    this.#limits = options.limits
    this.#open = options.open
  }

  async *generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<GenerateEvent, void, undefined> {
    const watch = new Watch(this.#limits, signal)
    const answer = new Progress(this.#limits.charsMax)
    let chunks: AsyncIterator<AIMessageChunk> | undefined
    try {
      signal.throwIfAborted()
      const model = this.#open(watch.fetch)
      const stream = await watch.wait(model.stream(this.#messages(request), { signal: watch.signal }))
      chunks = stream[Symbol.asyncIterator]() as AsyncIterator<AIMessageChunk>
      while (!answer.isFull) {
        const next = await watch.wait(chunks.next())
        if (next.done) break
        const text = answer.take(next.value, watch)
        if (text !== '') yield { type: 'text', text }
      }
      if (watch.over) throw watch.over.reason
    } catch (error) {
      signal.throwIfAborted()
      if (answer.finish === undefined) throw toGenerateError(watch.over?.reason ?? error, answer.begun)
      // The text is whole; only the usage figures behind it did not come.
    } finally {
      watch.close()
      // Not awaited: with its request aborted there is nothing left that we need.
      chunks?.return?.().catch(() => undefined)
    }
    yield answer.end()
  }

  #messages(request: GenerateRequest): BaseMessage[] {
    const messages: BaseMessage[] = [new SystemMessage(instructions(request.topic)), new HumanMessage(request.question)]
    if (this.canContinue && request.textSoFar !== '') messages.push(new AIMessage(request.textSoFar))
    return messages
  }
}

/** The topic comes from the server's own list, never from a browser. */
export function instructions(topic: string): string {
  return [
    `You are an expert on ${topic}, and people come to you with questions about it.`,
    `Answer in Markdown, as briefly as the question allows, with an example where one helps.`,
    `Read every question as one about ${topic}; when it clearly is not, say so in a sentence instead of answering it.`,
  ].join('\n')
}

/** What is known of the answer so far. */
class Progress {
  readonly #charsMax: number
  #chars = 0
  #usage: Usage = {}
  #sources: readonly Source[] = []
  begun = false
  /** True when the answer has reached its longest length: we take no more of it. */
  isFull = false
  finish: 'stop' | 'length' | 'other' | undefined

  constructor(charsMax: number) {
    this.#charsMax = charsMax
  }

  /** Notes what the chunk says and gives the text in it. */
  take(chunk: AIMessageChunk, watch: Watch): string {
    const text = this.#cropped(textOf(chunk))
    if (text !== '' || isReasoning(chunk)) {
      this.begun = true
      watch.tokenArrived()
    }
    this.#usage = usageOf(chunk) ?? this.#usage
    this.#sources = sourcesOf(chunk) ?? this.#sources
    const reason = finishReasonOf(chunk)
    if (reason !== undefined && this.finish === undefined) {
      if (reason === 'content_filter') throw contentFilterError()
      if (reason === 'error') throw failedError()
      this.finish = finishOf(reason)
    }
    if (this.finish !== undefined) watch.finishArrived()
    return text
  }

  /** The `done` event; without a finish reason there is none. */
  end(): GenerateEvent {
    if (this.finish === undefined) throw cutError()
    return { type: 'done', finish: this.finish, usage: this.#usage, sources: this.#sources }
  }

  #cropped(text: string): string {
    const room = this.#charsMax - this.#chars
    this.#chars += text.length
    if (text.length <= room) return text
    this.isFull = true
    this.finish = 'length'
    return text.slice(0, room).replace(/[\uD800-\uDBFF]$/, '')
  }
}

/** `content` is a string, or a list of blocks of which some are text. */
function textOf(chunk: AIMessageChunk): string {
  if (typeof chunk.content === 'string') return chunk.content
  return chunk.content
    .map((block) => (block.type === 'text' && typeof block.text === 'string' ? block.text : ''))
    .join('')
}

function isReasoning(chunk: AIMessageChunk): boolean {
  if (chunk.additional_kwargs?.['reasoning_content']) return true
  return Array.isArray(chunk.content) && chunk.content.some((block) => /reasoning|thinking/.test(block.type))
}

/** As the providers call it: `finish_reason` (OpenAI), `done_reason` (Ollama), `status` (OpenAI's Responses API). */
function finishReasonOf(chunk: AIMessageChunk): string | undefined {
  const said: Record<string, unknown> = chunk.response_metadata ?? {}
  for (const key of ['finish_reason', 'done_reason', 'stop_reason']) {
    const value = said[key]
    if (typeof value === 'string' && value !== '') return value
  }
  if (said['status'] === 'completed') return 'stop'
  if (said['status'] !== 'incomplete') return undefined
  const details = said['incomplete_details'] as { reason?: unknown } | null | undefined
  return typeof details?.reason === 'string' ? details.reason : 'other'
}

function finishOf(reason: string): 'stop' | 'length' | 'other' {
  if (['stop', 'end_turn', 'stop_sequence', 'eos'].includes(reason)) return 'stop'
  return /length|max_(?:output_)?tokens/.test(reason) ? 'length' : 'other'
}

function usageOf(chunk: AIMessageChunk): Usage | undefined {
  const usage = chunk.usage_metadata as { input_tokens: number; output_tokens: number } | undefined
  if (usage === undefined) return undefined
  return { inputTokens: usage.input_tokens, outputTokens: usage.output_tokens }
}

/** Only models of ours name sources. */
function sourcesOf(chunk: AIMessageChunk): readonly Source[] | undefined {
  const sources: unknown = chunk.response_metadata?.['sources']
  return Array.isArray(sources) ? (sources as readonly Source[]) : undefined
}
