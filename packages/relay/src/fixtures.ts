/** Builders for the tests: models that do what they are told, and relays and backends that are closed again. */
import { createHash } from 'node:crypto'
import { type Backend, type EntryId, RedisBackend, type RedisBackendOptions } from 'millrace'
import type { AnswerEntry } from './entry.ts'

import type { GenerateError, GenerateEvent, GenerateRequest, LanguageModel } from './generate.ts'
import { pause } from './pause.ts'
import type { Relay, RelayOptions } from './relay.ts'
import { createRelay } from './stream-relay.ts'

type Step = string | number | GenerateError | Error | 'silent'

export const DONE: GenerateEvent = { type: 'done', finish: 'stop', usage: { outputTokens: 3 }, sources: [] }

/** A text is a chunk, a number a pause in milliseconds, an error is thrown, SILENT never comes. */
export const SILENT = new Promise<never>(() => undefined)

export interface ScriptedModel extends LanguageModel {
  readonly requests: GenerateRequest[]
  /** The signals of all calls, in order. */
  readonly signals: AbortSignal[]
}

/** The script of each call in turn; the last one is used again. */
export function scripted(scripts: readonly (readonly (Step | typeof SILENT)[])[], canContinue = false): ScriptedModel {
  const requests: GenerateRequest[] = []
  const signals: AbortSignal[] = []
  return {
    label: 'scripted',
    canContinue,
    requests,
    signals,
    async *generate(request, signal) {
      const script = scripts[Math.min(requests.length, scripts.length - 1)]!
      requests.push(request)
      signals.push(signal)
      for (const step of script) {
        if (typeof step === 'number') await pause(step, signal)
        else if (step instanceof Error) throw step
        else if (typeof step === 'string') yield { type: 'text', text: step }
        else await step
      }
      yield DONE
    },
  }
}

/** Answers with `chunks` chunks that name the question, one each `everyMs`. */
export function talkative(chunks: number, everyMs: number): LanguageModel {
  return {
    label: 'talkative',
    canContinue: false,
    async *generate({ question }, signal) {
      for (let i = 0; i < chunks; i++) {
        if (everyMs > 0) await pause(everyMs, signal)
        yield { type: 'text', text: talkativeChunk(question, i) }
      }
      yield DONE
    },
  }
}

export function talkativeText(question: string, chunks: number): string {
  return Array.from({ length: chunks }, (_, i) => talkativeChunk(question, i)).join('')
}

function talkativeChunk(question: string, i: number): string {
  return `${question}·${i}😀 `
}

/** Opens and, at the end of a test, closes. */
export class Bench {
  readonly errors: unknown[] = []
  readonly #ends: (() => Promise<void>)[] = []

  relay(backend: Backend, options: Partial<RelayOptions> = {}): Relay {
    const onError = (error: unknown): void => void this.errors.push(error)
    const relay = createRelay(backend, { server: `s${this.#ends.length}`, onError, ...options })
    this.#ends.push(() => relay.close({ graceMs: 0 }))
    return relay
  }

  async redis(url: string, options: RedisBackendOptions = {}): Promise<Backend> {
    const backend = await RedisBackend.connect(url.split(','), options)
    this.#ends.push(() => backend.close())
    return backend
  }

  onEnd(end: () => Promise<void>): void {
    this.#ends.push(end)
  }

  async end(): Promise<void> {
    for (const end of this.#ends.toReversed()) await end()
    this.#ends.length = 0
    this.errors.length = 0
  }
}

let asked = 0

/** Asks a new question; resolves the answer's id. */
export async function ask(relay: Relay, owner = 'ann', question = 'why?'): Promise<string> {
  const { answer } = await relay.ask(owner, { requestId: `r${process.pid}-${asked++}`, topic: 'Redis', question })
  return answer
}

/** Follows until the answer is closed, for 15 s at most. */
export async function readAll(
  relay: Relay,
  owner: string,
  answer: string,
  { after, withinMs = 15_000 }: { readonly after?: EntryId; readonly withinMs?: number } = {},
): Promise<AnswerEntry[]> {
  const entries: AnswerEntry[] = []
  const from = after === undefined ? {} : { after }
  for await (const batch of relay.follow(owner, answer, { ...from, signal: AbortSignal.timeout(withinMs) })) {
    entries.push(...batch.entries)
  }
  return entries
}

/** Follows until an entry satisfies `wanted`, and resolves what was read by then. */
export async function readUntil(
  relay: Relay,
  owner: string,
  answer: string,
  wanted: (entry: AnswerEntry) => boolean,
): Promise<AnswerEntry[]> {
  const entries: AnswerEntry[] = []
  for await (const batch of relay.follow(owner, answer, { signal: AbortSignal.timeout(15_000) })) {
    for (const entry of batch.entries) {
      entries.push(entry)
      if (wanted(entry)) return entries
    }
  }
  throw new Error(`The answer was closed first: ${entries.map((entry) => entry.type).join(' ')}`)
}

export function types(entries: readonly AnswerEntry[]): string[] {
  return entries.map((entry) => entry.type)
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** A small seeded generator of numbers in [0, 1). */
export function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
