import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { startProvider } from '../provider/provider.ts'
import { chooseModel, type ChosenModel } from './choose-model.ts'
import { defaultLimits, readLimits } from './limits.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** Answers every request with this; `undefined`: never. */
async function serve(body: unknown): Promise<string> {
  const server = createServer((_request, response) => {
    if (body !== undefined) response.end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ends.push(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** No Ollama is there, unless a test says so. */
const nowhere = { ollamaUrl: 'http://127.0.0.1:9' }

async function textOf({ model }: ChosenModel): Promise<string> {
  let text = ''
  const events = model.generate(
    { topic: 'Redis', question: 'What does XADD do?', textSoFar: '' },
    new AbortController().signal,
  )
  for await (const event of events) if (event.type === 'text') text += event.text
  return text
}

describe('the model is', () => {
  it('the guide when nothing else is there, and it answers from the handbook', async () => {
    const chosen = await chooseModel(
      { GUIDE_TOKENS_PER_SECOND: '0', OPENAI_API_KEY: '', OPENAI_BASE_URL: ' ' },
      nowhere,
    )
    expect(chosen.kind).toBe('guide')
    expect(chosen.model).toMatchObject({ label: 'built-in guide, no language model', canContinue: true })
    expect(await textOf(chosen)).toContain('XADD')
  })

  it('a compatible server, with a key or without, and its first model', async () => {
    const provider = await startProvider({ models: ['first', 'second'], behaviour: { text: 'From the server.' } })
    ends.push(() => provider.stop())
    const chosen = await chooseModel({ OPENAI_BASE_URL: `${provider.url}/` }, nowhere)
    expect(chosen).toMatchObject({ kind: 'compatible', model: { label: 'first', canContinue: false } })
    expect(await textOf(chosen)).toBe('From the server.')
    const named = await chooseModel(
      { OPENAI_BASE_URL: provider.url, OPENAI_MODEL: 'gpt-5-pro', OPENAI_API_KEY: 'k', OPENAI_ORGANIZATION: 'org-1' },
      nowhere,
    )
    expect(await textOf(named)).toBe('From the server.')
    expect(provider.requests.map(({ model, organization }) => [model, organization])).toEqual([
      ['first', undefined],
      ['gpt-5-pro', 'org-1'],
    ])
  })

  it('a compatible server also when it is not up yet', async () => {
    const chosen = await chooseModel({ OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' }, nowhere)
    expect(chosen).toMatchObject({ kind: 'compatible', model: { label: 'default' } })
  })

  it("OpenAI's when there is a key", async () => {
    const chosen = await chooseModel({ OPENAI_API_KEY: 'sk-1' }, nowhere)
    expect(chosen).toMatchObject({ kind: 'openai', model: { label: 'gpt-4o-mini', canContinue: false } })
    const named = await chooseModel({ OPENAI_API_KEY: 'sk-1', OPENAI_MODEL: 'gpt-4.1' }, nowhere)
    expect(named.model.label).toBe('gpt-4.1')
  })

  it('never one that makes embeddings, unless it is named', async () => {
    const ollamaUrl = await serve({ models: [{ name: 'nomic-embed-text:latest' }, { name: 'llama3.2:3b' }] })
    expect((await chooseModel({}, { ollamaUrl })).model.label).toBe('llama3.2:3b')
    expect((await chooseModel({}, { ollamaUrl: await serve({ models: [{ name: 'bge-m3' }] }) })).kind).toBe('guide')
    const models = ['text-embedding-nomic-embed-text-v1.5', 'qwen3-4b']
    const provider = await startProvider({ models })
    ends.push(() => provider.stop())
    expect((await chooseModel({ OPENAI_BASE_URL: provider.url }, nowhere)).model.label).toBe('qwen3-4b')
    const named = await chooseModel({ OPENAI_BASE_URL: provider.url, OPENAI_MODEL: models[0] }, nowhere)
    expect(named.model.label).toBe(models[0])
  })

  it("an Ollama's first model, when one is found or named", async () => {
    const ollamaUrl = await serve({ models: [{ name: 'llama3.2:3b' }, { name: 'qwen3' }] })
    expect(await chooseModel({}, { ollamaUrl })).toMatchObject({ kind: 'ollama', model: { label: 'llama3.2:3b' } })
    expect((await chooseModel({ OLLAMA_MODEL: 'qwen3' }, { ollamaUrl })).model.label).toBe('qwen3')
    expect((await chooseModel({ OLLAMA_BASE_URL: ollamaUrl }, nowhere)).model.label).toBe('llama3.2:3b')
    expect((await chooseModel({ OLLAMA_BASE_URL: 'http://127.0.0.1:9' }, nowhere)).kind).toBe('ollama')
  })

  it.each([
    ['has no model', { models: [] }],
    ['is something else', 'hello'],
    ['never answers', undefined],
  ])('the guide when what is on the port of Ollama %s', async (_name, body) => {
    const ollamaUrl = await serve(body)
    const beganMs = performance.now()
    expect((await chooseModel({}, { ollamaUrl })).kind).toBe('guide')
    expect(performance.now() - beganMs).toBeLessThan(3_000)
  })

  it('the guide when it is asked for', async () => {
    expect((await chooseModel({ LLM_KIND: 'guide', OPENAI_API_KEY: 'sk-1' }, nowhere)).kind).toBe('guide')
  })
})

describe('a mistake in the environment is named', () => {
  it.each([
    [{ OPENAI_BASE_URL: 'localhost:8000' }, /OPENAI_BASE_URL must be an http/],
    [{ OLLAMA_BASE_URL: 'ftp://x' }, /OLLAMA_BASE_URL must be an http/],
    [{ LLM_KIND: 'gpt' }, /LLM_KIND must be 'guide'/],
    [{ GUIDE_TOKENS_PER_SECOND: 'fast' }, /GUIDE_TOKENS_PER_SECOND must be 0/],
    [{ LLM_IDLE_MS: '0' }, /LLM_IDLE_MS must be whole milliseconds/],
    [{ LLM_TOTAL_MS: '1e99' }, /LLM_TOTAL_MS must be whole milliseconds/],
  ])('%o', async (env, message) => {
    await expect(chooseModel(env, nowhere)).rejects.toThrow(message)
  })
})

describe('the limits', () => {
  it('are 10, 30, 20 and 300 s, and what the environment says', () => {
    expect(readLimits({})).toMatchObject({ connectMs: 10_000, firstTokenMs: 30_000, idleMs: 20_000, totalMs: 300_000 })
    expect(readLimits({ LLM_CONNECT_MS: '1', LLM_FIRST_TOKEN_MS: '2', LLM_IDLE_MS: '3', LLM_TOTAL_MS: '4' })).toEqual({
      ...defaultLimits,
      connectMs: 1,
      firstTokenMs: 2,
      idleMs: 3,
      totalMs: 4,
    })
  })
})
