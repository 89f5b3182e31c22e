/** What a follower still gets when the hub closes under it. */
import { EmbeddedBackend, type EntryId } from 'millrace'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AnswerLog } from './answer-log.ts'
import { type FollowBatch, followLog } from './follower.ts'
import { ReaderHub } from './reader-hub.ts'

let backend: EmbeddedBackend
let log: AnswerLog
let hub: ReaderHub
let last: EntryId
let batches: AsyncGenerator<FollowBatch>

beforeEach(async () => {
  backend = new EmbeddedBackend()
  log = new AnswerLog(backend, 'OPENAI_STREAM:a', 60_000)
  hub = new ReaderHub(backend, { blockMs: 1000, checkMs: 1000 })
  const body = { type: 'question', topic: 'Redis', question: 'q' } as const
  last = await log.append({ body, seq: 0, epoch: 0, logOnly: { owner: 'ann' } }, '0-0' as EntryId)
  const start = { id: '0-0' as EntryId, seq: -1 }
  batches = followLog({ log, hub, slotGroup: '' }, start, AbortSignal.timeout(10_000))
  expect((await batches.next()).value).toMatchObject({ entries: [{ type: 'question' }] })
})
afterEach(async () => {
  await hub.close()
  await backend.close()
})

/** Closes the hub in the same turn as the append, so that only the log has the entry. */
async function appendAsTheHubCloses(body: { type: 'stopped'; chars: number } | { type: 'delta'; text: string }) {
  const waiting = batches.next()
  waiting.catch(() => undefined)
  await new Promise(setImmediate)
  const closing = hub.close()
  await log.append({ body, seq: 1, epoch: 1 }, last)
  await closing
  return await waiting
}

it('gives the end that the log has when the hub closes, and ends', async () => {
  const { value } = await appendAsTheHubCloses({ type: 'stopped', chars: 0 })
  expect(value).toMatchObject({ entries: [{ type: 'stopped', seq: 1 }], caughtUp: true })
  expect((await batches.next()).done).toBe(true)
})

it('gives what the log has and then says CLOSED when the answer is not at its end', async () => {
  const { value } = await appendAsTheHubCloses({ type: 'delta', text: 'part' })
  expect(value).toMatchObject({ entries: [{ type: 'delta', text: 'part' }] })
  await expect(batches.next()).rejects.toMatchObject({ code: 'CLOSED' })
})
