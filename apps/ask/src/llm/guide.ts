/**
 * The built-in guide: a LangChain chat model that is no language model. It answers from the handbook.
 *
 *   last human message ──answerFrom──► text ──pieces──► chunk, chunk, … , last chunk {finish_reason, sources, usage}
 *   last AI message, if it is the last of all: the text that is already there; the answer goes on behind it
 *
 * The text depends on the question and the handbook alone, so any server with the same handbook continues the answer of
 * another. With a different edition of the handbook the text may not begin with what is there; then it refuses, for
 * good (`internal`, not retryable): the two halves would not be one answer, and asking again gives a whole one.
 */
import { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { AIMessageChunk, type BaseMessage } from '@langchain/core/messages'
import { ChatGenerationChunk, type ChatResult } from '@langchain/core/outputs'
import { GenerateError } from '@millrace/relay'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { answerFrom } from './guide-answer.ts'
import type { Handbook } from './handbook.ts'

export interface GuideOptions {
  readonly handbook: Handbook
  /** How fast it speaks; 0: as fast as possible. Default 50, about what a person can skim. */
  readonly tokensPerSecond?: number
}

interface CallOptions {
  readonly signal?: AbortSignal
}

export const guideLabel = 'built-in guide, no language model'

/** So many pieces without a pause before other work of the process gets its turn. */
const PIECES_PER_TURN = 32

export class GuideChatModel extends BaseChatModel {
  readonly #handbook: Handbook
  readonly #tokensPerSecond: number

  constructor(options: GuideOptions) {
    super({ maxRetries: 0 })
    this.#handbook = options.handbook
    this.#tokensPerSecond = options.tokensPerSecond ?? 50
  }

  override _llmType(): string {
    return 'millrace-guide'
  }

  override async _generate(messages: BaseMessage[], options: CallOptions): Promise<ChatResult> {
    let whole: ChatGenerationChunk | undefined
    for await (const chunk of this._streamResponseChunks(messages, options)) whole = whole?.concat(chunk) ?? chunk
    return { generations: whole === undefined ? [] : [whole] }
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: CallOptions,
  ): AsyncGenerator<ChatGenerationChunk> {
    const { question, textSoFar } = readMessages(messages)
    const { text, sources } = answerFrom(this.#handbook, question)
    if (!text.startsWith(textSoFar)) {
      throw new GenerateError('internal', 'The handbook has changed since this answer began. Please ask again.', {
        retryable: false,
      })
    }
    const pieces = piecesOf(text.slice(textSoFar.length))
    const beganMs = performance.now()
    for (const [index, piece] of pieces.entries()) {
      await this.#pace(index, beganMs, options.signal)
      options.signal?.throwIfAborted()
      yield new ChatGenerationChunk({ text: piece, message: new AIMessageChunk(piece) })
    }
    yield new ChatGenerationChunk({
      text: '',
      message: new AIMessageChunk({ content: '', response_metadata: { finish_reason: 'stop', sources } }),
    })
  }

  /** Waits until the piece is due, counted from the beginning so that late timers do not add up. */
  async #pace(index: number, beganMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#tokensPerSecond === 0) {
      if (index % PIECES_PER_TURN === PIECES_PER_TURN - 1) await nextTurn()
      return
    }
    const dueMs = beganMs + (index * 1000) / this.#tokensPerSecond - performance.now()
    if (dueMs > 0) await sleep(dueMs, undefined, signal === undefined ? {} : { signal })
  }
}

function readMessages(messages: BaseMessage[]): { question: string; textSoFar: string } {
  const question = messages.findLast((message) => message.getType() === 'human')
  const last = messages.at(-1)
  return { question: question?.text ?? '', textSoFar: last?.getType() === 'ai' ? last.text : '' }
}

/** Pieces of the size of a model's tokens: at most eight characters of a word with the white space before it. */
export function piecesOf(text: string): string[] {
  return text.match(/\s*[^\s]{1,8}|\s+/gu) ?? []
}
