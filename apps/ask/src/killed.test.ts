/** The only server, killed in the middle of an answer, and started again on its directory. */
import { randomBytes } from 'node:crypto'
import { temporaryDirectory } from '@millrace/testing'
import { afterEach, expect, it } from 'vitest'
import { type Provider, startProvider } from './provider/provider.ts'
import { EventStream, type EventFrame } from './testing/event-stream.ts'
import { Program } from './testing/program.ts'

const text = Array.from({ length: 120 }, (_, i) => `word${i}`).join(' ')

let provider: Provider
const programs: Program[] = []
afterEach(async () => {
  for (const program of programs.splice(0)) await program.kill()
  await provider.stop()
})

interface Shown {
  readonly type: string
  readonly seq: number
  readonly text?: string
  readonly keep?: number
  readonly reason?: string
}

/** A server on this directory, and where it is. */
async function started(directory: string): Promise<readonly [Program, string]> {
  const program = new Program(
    {
      DATA_DIR: directory,
      LLM_KIND: '',
      OPENAI_BASE_URL: provider.url,
      OPENAI_MODEL: 'millrace-test',
      LEASE_MS: '1000',
      LOG_LEVEL: 'warn',
    },
    'backend',
  )
  programs.push(program)
  return [program, await program.address(/^Backend: (http:\S+) /m)]
}

async function follow(url: string, answer: string, cookie: string): Promise<EventStream> {
  return new EventStream(await fetch(new URL(`/api/answers/${answer}/events`, url), { headers: { cookie } }))
}

const shown = (frames: readonly EventFrame[]): Shown[] =>
  frames.filter(({ event }) => event === 'entry').map(({ data }) => JSON.parse(data) as Shown)

/** What a reader sees: `restarted` says how much of the text so far stays. */
function textOf(entries: readonly Shown[]): string {
  return entries.reduce((text, one) => (one.keep === undefined ? text : text.slice(0, one.keep)) + (one.text ?? ''), '')
}

it('shows what there was of the answer, that it was interrupted, and the rest', async () => {
  provider = await startProvider({ behaviour: { text, tokensPerSecond: 40 } })
  const directory = temporaryDirectory('ask')
  const [first, before] = await started(directory)
  const cookie = (await fetch(new URL('/api/session', before))).headers.getSetCookie()[0]!.split(';')[0]!
  const asked = await fetch(new URL('/api/answers', before), {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie },
    body: JSON.stringify({ requestId: randomBytes(8).toString('hex'), topic: 'Redis', question: 'Count' }),
  })
  expect(asked.status).toBe(202)
  const { answer } = (await asked.json()) as { answer: string }
  let chars = 0
  const reading = await follow(before, answer, cookie)
  const frames = await reading.until((frame) => (chars += textOf(shown([frame])).length) > 100)
  await first.kill()

  const [, after] = await started(directory)
  const all = shown(await (await follow(after, answer, cookie)).rest())
  const told = shown(frames)
  expect(all.slice(0, told.length)).toEqual(told)
  expect(all.map(({ type }) => type)).toContain('restarted')
  expect(all.find(({ type }) => type === 'restarted')).toMatchObject({ reason: expect.any(String) })
  expect(all.at(-1)?.type).toBe('end')
  expect(all.map(({ seq }) => seq)).toEqual(all.map((_, i) => i))
  expect(textOf(all)).toBe(text)
}, 60_000)

it('says who has the directory when another server does, and ends with 1', async () => {
  provider = await startProvider()
  const directory = temporaryDirectory('ask')
  await started(directory)
  const second = new Program({ DATA_DIR: directory }, 'backend')
  programs.push(second)
  expect(await second.exitCode()).toBe(1)
  expect(second.output).toContain(`The streams (DATA_DIR): The directory '${directory}' is open already: by process `)
  expect(second.output).not.toContain('    at ')
}, 60_000)
