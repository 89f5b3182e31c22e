/**
 * Which model answers, from the environment. The first line that applies:
 *
 *   OPENAI_BASE_URL                            compatible   vLLM, llama.cpp, LM Studio …; OPENAI_API_KEY if it wants one
 *   OPENAI_API_KEY                             openai       OPENAI_ORGANIZATION, OPENAI_MODEL
 *   OLLAMA_BASE_URL                            ollama       OLLAMA_MODEL
 *   an Ollama answers on 127.0.0.1:11434       ollama       OLLAMA_MODEL, else its first that can talk
 *   none of these                              guide        GUIDE_TOKENS_PER_SECOND
 *
 * `LLM_KIND=guide` takes the guide whatever is there. An empty variable counts as not set, so that `.env` can
 * list them all. The libraries are loaded when they are chosen: they take longer to load than we take to start.
 */
import type { LanguageModel } from '@millrace/relay'
import { defaultLimits, localLimits, readLimits } from './limits.ts'

export type ModelKind = 'openai' | 'compatible' | 'ollama' | 'guide'

export interface ChosenModel {
  readonly model: LanguageModel
  readonly kind: ModelKind
}

export interface ChooseOptions {
  /** Where an Ollama is looked for. Default `http://127.0.0.1:11434`. */
  readonly ollamaUrl?: string
  /** Folder of the handbook. Default: the one shipped with the application. */
  readonly handbookFolder?: string
}

const OPENAI_URL = 'https://api.openai.com/v1'
const OPENAI_MODEL = 'gpt-4o-mini'
const OLLAMA_URL = 'http://127.0.0.1:11434'
const OLLAMA_MODEL = 'llama3.2'
const PROBE_MS = 300
const LIST_MS = 2_000

export async function chooseModel(env: NodeJS.ProcessEnv, options: ChooseOptions = {}): Promise<ChosenModel> {
  const kind = read(env, 'LLM_KIND')
  if (kind !== undefined && kind !== 'guide') throw new Error(`LLM_KIND must be 'guide' or empty, but is '${kind}'.`)
  if (kind === 'guide') return guide(env, options)
  const baseUrl = readUrl(env, 'OPENAI_BASE_URL')
  if (baseUrl !== undefined) return compatible(env, baseUrl)
  const key = read(env, 'OPENAI_API_KEY')
  if (key !== undefined) return openai(env, key)
  const ollamaUrl = readUrl(env, 'OLLAMA_BASE_URL')
  if (ollamaUrl !== undefined) {
    const model = read(env, 'OLLAMA_MODEL') ?? (await ollamaModels(ollamaUrl, LIST_MS))[0] ?? OLLAMA_MODEL
    return ollama(env, ollamaUrl, model)
  }
  const probedUrl = options.ollamaUrl ?? OLLAMA_URL
  const installed = await ollamaModels(probedUrl, PROBE_MS)
  if (installed.length > 0) return ollama(env, probedUrl, read(env, 'OLLAMA_MODEL') ?? installed[0]!)
  return guide(env, options)
}

async function openai(env: NodeJS.ProcessEnv, key: string): Promise<ChosenModel> {
  const model = read(env, 'OPENAI_MODEL') ?? OPENAI_MODEL
  const organization = read(env, 'OPENAI_ORGANIZATION') ?? null
  const { LangChainModel } = await import('./chat-model.ts')
  const { ChatOpenAI } = await import('@langchain/openai')
  const limits = readLimits(env, defaultLimits)
  return {
    kind: 'openai',
    model: new LangChainModel({
      label: model,
      limits,
      open: (fetch) =>
        new ChatOpenAI({
          model,
          apiKey: key,
          maxRetries: 0,
          // The address is given, or LangChain and the client look for others in the environment.
          configuration: { baseURL: OPENAI_URL, organization, fetch, logLevel: 'off' },
        }),
    }),
  }
}

async function compatible(env: NodeJS.ProcessEnv, baseUrl: string): Promise<ChosenModel> {
  const key = read(env, 'OPENAI_API_KEY')
  const model = read(env, 'OPENAI_MODEL') ?? (await servedModels(baseUrl, key))[0] ?? 'default'
  const organization = read(env, 'OPENAI_ORGANIZATION') ?? null
  const { LangChainModel } = await import('./chat-model.ts')
  const { ChatOpenAICompletions } = await import('@langchain/openai')
  const limits = readLimits(env, localLimits)
  return {
    kind: 'compatible',
    model: new LangChainModel({
      label: model,
      limits,
      open: (fetch) =>
        // The Chat Completions class itself: for some model names `ChatOpenAI` changes to OpenAI's Responses API.
        new ChatOpenAICompletions({
          model,
          // The client insists on a key; a server that wants none ignores it.
          apiKey: key ?? 'none',
          maxRetries: 0,
          configuration: { baseURL: baseUrl, organization, fetch, logLevel: 'off' },
        }),
    }),
  }
}

async function ollama(env: NodeJS.ProcessEnv, baseUrl: string, model: string): Promise<ChosenModel> {
  const { LangChainModel } = await import('./chat-model.ts')
  const { ChatOllama } = await import('@langchain/ollama')
  const limits = readLimits(env, localLimits)
  return {
    kind: 'ollama',
    model: new LangChainModel({
      label: model,
      limits,
      open: (fetch) => new ChatOllama({ model, baseUrl, fetch, maxRetries: 0 }),
    }),
  }
}

async function guide(env: NodeJS.ProcessEnv, options: ChooseOptions): Promise<ChosenModel> {
  const { loadHandbook } = await import('./handbook.ts')
  const { LangChainModel } = await import('./chat-model.ts')
  const { GuideChatModel, guideLabel } = await import('./guide.ts')
  const handbook = loadHandbook(options.handbookFolder)
  const rate = read(env, 'GUIDE_TOKENS_PER_SECOND')
  const tokensPerSecond = rate === undefined ? 50 : Number(rate)
  if (!(tokensPerSecond === 0 || (tokensPerSecond >= 0.1 && tokensPerSecond <= 100_000))) {
    throw new Error(`GUIDE_TOKENS_PER_SECOND must be 0 (no pauses) or from 0.1 to 100000, but is '${rate}'.`)
  }
  const limits = readLimits(env, defaultLimits)
  return {
    kind: 'guide',
    model: new LangChainModel({
      label: guideLabel,
      canContinue: true,
      limits,
      open: () => new GuideChatModel({ handbook, tokensPerSecond }),
    }),
  }
}

/** What the server at `baseUrl` serves; nothing when it does not answer: then it may be up when it is asked. */
async function servedModels(baseUrl: string, key: string | undefined): Promise<string[]> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const body = await getJson(`${baseUrl}/models`, LIST_MS, headers)
  return names(body, 'data', 'id')
}

/** The models that an Ollama has installed and that can talk; none when there is no Ollama. */
async function ollamaModels(baseUrl: string, limitMs: number): Promise<string[]> {
  return names(await getJson(`${baseUrl}/api/tags`, limitMs, {}), 'models', 'name')
}

/** Models that turn text into vectors are listed like all others, and refuse to talk. */
const embeddingNames = /embed|minilm|\bbge-|rerank/i

/** The names in a list of models, without those that cannot answer. */
function names(body: unknown, list: string, key: string): string[] {
  const rows: unknown = (body as Record<string, unknown> | null | undefined)?.[list]
  if (!Array.isArray(rows)) return []
  const given = rows.map((row: Record<string, unknown> | null) => row?.[key])
  return given.filter((name) => typeof name === 'string').filter((name) => !embeddingNames.test(name))
}

async function getJson(url: string, limitMs: number, headers: Record<string, string>): Promise<unknown> {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(limitMs) })
    if (response.ok) return await response.json()
    await response.body?.cancel()
  } catch {
    // Not there, too slow or not what we look for: the caller goes on without it.
  }
  return undefined
}

function read(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name]?.trim()
  return value === '' ? undefined : value
}

/** An http(s) address without a slash at its end. */
function readUrl(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = read(env, name)
  if (value === undefined) return undefined
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new Error(`${name} must be an http:// or https:// address, but is '${value}'.`)
  }
  return value.replace(/\/+$/, '')
}
