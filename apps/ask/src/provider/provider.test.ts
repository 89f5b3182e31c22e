import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { markedBehaviour, presets } from './behaviour.ts'
import { startProvider, type Provider, type ProviderOptions } from './provider.ts'
import { seededText, seededTokens, tokensOf } from './seeded-text.ts'

let provider: Provider | undefined
afterEach(() => provider?.stop())

async function start(options: ProviderOptions = {}): Promise<Provider> {
  return (provider = await startProvider(options))
}

function ask(url: string, question: string, more: object = {}, signal?: AbortSignal): Promise<Response> {
  return fetch(`${url}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: question }], ...more }),
    ...(signal === undefined ? {} : { signal }),
  })
}

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string }; readonly finish_reason: string | null }[]
  readonly usage?: object
}

function read(body: string): { text: string; finishes: string[]; usage: object | undefined; isDone: boolean } {
  const lines = body.split('\n\n').map((line) => line.replace(/^data: /, ''))
  const chunks = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Chunk)
  return {
    text: chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join(''),
    finishes: chunks.flatMap((chunk) => chunk.choices[0]?.finish_reason ?? []),
    usage: chunks.find((chunk) => chunk.usage)?.usage,
    isDone: lines.includes('[DONE]'),
  }
}

describe('the provider', () => {
  it('streams the seeded text, its finish, the usage and [DONE]', async () => {
    const { url } = await start()
    const response = await ask(url, '[[{"seed": 7, "tokens": 40}]]', { stream_options: { include_usage: true } })
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(read(await response.text())).toMatchObject({
      text: seededText(7, 40),
      finishes: ['stop'],
      usage: { completion_tokens: 40 },
      isDone: true,
    })
  })

  it('answers in one piece when no stream is wanted', async () => {
    const { url } = await start()
    const response = await ask(url, '[[{"seed": 7, "tokens": 4}]]', { stream: false })
    expect(await response.json()).toMatchObject({
      choices: [{ message: { content: seededText(7, 4) }, finish_reason: 'stop' }],
    })
  })

  it('lists its models', async () => {
    const { url } = await start({ models: ['a', 'b'] })
    const body = (await (await fetch(`${url}/models`)).json()) as { data: { id: string }[] }
    expect(body.data.map(({ id }) => id)).toEqual(['a', 'b'])
  })

  it('takes the queue before the question before its own', async () => {
    const { url, ...rest } = await start({ behaviour: { text: 'own' } })
    expect(rest).toBeDefined()
    provider!.next({ text: 'queue' })
    const texts: string[] = []
    for (const question of ['[[{"text": "question"}]]', '[[{"text": "question"}]]', 'plain']) {
      texts.push(read(await (await ask(url, question)).text()).text)
    }
    expect(texts).toEqual(['queue', 'question', 'own'])
  })

  it.each(['401', '403', '404', '429', '429-quota', '500', '503', 'context'] as const)(
    'fails with %s',
    async (name) => {
      const { url } = await start()
      const response = await ask(url, `[[${name}]]`)
      const { status, ...error } = presets[name].failure as { status: number; retryAfter?: string }
      const { retryAfter, ...said } = error
      expect(response.status).toBe(status)
      expect(response.headers.get('retry-after')).toBe(retryAfter ?? null)
      expect(await response.json()).toMatchObject({ error: said })
    },
  )

  it('asks for its key', async () => {
    const { url } = await start({ apiKey: 'right' })
    expect((await ask(url, 'a')).status).toBe(401)
  })

  it('sees within 500 ms that a client has gone', async () => {
    const { url } = await start()
    const stopper = new AbortController()
    const response = await ask(url, '[[endless]]', {}, stopper.signal)
    await response.body!.getReader().read()
    const goneMs = Date.now()
    stopper.abort()
    const [record] = await provider!.until(([first]) => first?.abortedAtMs !== undefined)
    expect(record).toMatchObject({ state: 'aborted', question: '[[endless]]' })
    expect(record!.abortedAtMs! - goneMs).toBeLessThan(500)
  })

  it('cuts at any byte', async () => {
    const { url } = await start()
    for (const cutAtByte of [0, 1, 150, 400]) {
      const response = await ask(url, `[[{"cutAtByte": ${cutAtByte}}]]`)
      let bytes = 0
      const reading = (async () => {
        for await (const chunk of response.body!) bytes += chunk.length
      })()
      await expect(reading).rejects.toThrow()
      expect(bytes).toBe(cutAtByte)
    }
    expect((await provider!.until((all) => all.every(({ endedAtMs }) => endedAtMs))).map(({ state }) => state)).toEqual(
      ['cut', 'cut', 'cut', 'cut'],
    )
  })

  it('keeps its rate', async () => {
    const { url } = await start()
    const beganMs = performance.now()
    await (await ask(url, '[[{"tokens": 21, "tokensPerSecond": 100, "firstTokenMs": 100}]]')).text()
    expect(performance.now() - beganMs).toBeGreaterThan(290)
  })

  it.each([
    ['no JSON', '{', 400],
    ['no messages', '{"model":"m"}', 400],
    ['too much', `{"model":"${'m'.repeat(1_100_000)}"}`, 400],
    ['an unknown behaviour', '{"model":"m","messages":[{"role":"user","content":"[[{\\"x\\":1}]]"}]}', 400],
  ])('refuses %s', async (_name, body, status) => {
    const { url } = await start()
    const response = await fetch(`${url}/chat/completions`, { method: 'POST', body })
    expect(response.status).toBe(status)
    expect((await fetch(`${url}/models`)).status).toBe(200)
  })

  it('stops while answers run', async () => {
    const { url } = await start()
    const response = await ask(url, '[[stall]]')
    await provider!.stop()
    await expect(response.text()).rejects.toThrow()
  })

  it('can be told and looked at from another process', async () => {
    const program = fileURLToPath(new URL('./main.ts', import.meta.url))
    const child = spawn(process.execPath, ['--conditions=@millrace/source', '--import', 'tsx', program, '--port', '0'])
    try {
      const [url] = (await once(createInterface(child.stdout), 'line', { signal: AbortSignal.timeout(15_000) })) as [
        string,
      ]
      const origin = url.replace('/v1', '')
      await fetch(`${origin}/__behaviours`, { method: 'POST', body: JSON.stringify([{ text: 'told' }]) })
      expect(read(await (await ask(url, 'hi')).text()).text).toBe('told')
      const { requests } = (await (await fetch(`${origin}/__requests`)).json()) as { requests: object[] }
      expect(requests).toMatchObject([{ question: 'hi', state: 'complete', tokensSent: 1 }])
      child.kill('SIGTERM')
      expect(await once(child, 'exit')).toEqual([0, null])
    } finally {
      child.kill('SIGKILL')
    }
  })
})

describe('a marker', () => {
  it('is found anywhere, and is nothing special without one', () => {
    expect(markedBehaviour('a [[cut]] b')).toEqual({ cutAfter: 10 })
    expect(markedBehaviour('a [[{"stall": {"after": 3}}]] b')).toEqual({ stall: { after: 3 } })
    expect(markedBehaviour('a [[link]] b')).toBeUndefined()
    expect(markedBehaviour('toString [[toString]]')).toBeUndefined()
  })
})

describe('seeded text', () => {
  it('is the same for the same seed, another for another, and has characters of every width', () => {
    expect(seededText(5, 200)).toBe(seededText(5, 200))
    expect(seededText(5, 200)).not.toBe(seededText(6, 200))
    expect(seededTokens(5, 200)).toHaveLength(200)
    const text = seededText(1, 2_000)
    for (const sample of ['é', '日', '🌊', '👩‍💻']) expect(text).toContain(sample)
    expect(tokensOf(text).join('')).toBe(text)
  })
})
