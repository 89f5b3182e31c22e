import { afterEach, expect, it } from 'vitest'
import { waitFor } from '@millrace/testing'
import { call, Stage } from './testing/stage.ts'

let stage: Stage
afterEach(() => stage.close())

/** Each without a cookie, so each a session of its own. */
async function ask(requestId: string): Promise<Response> {
  return await stage.post('/api/answers', { requestId, topic: 'Redis', question: 'Why?' })
}

it('refuses questions while too many wait, whoever asks, and takes them again afterwards', async () => {
  stage = await Stage.start({ limits: { waitingMax: 3 }, env: { ANSWERS_AT_ONCE: '1' } })
  const refused = await waitFor(
    async () => {
      const response = await ask('one')
      return response.status === 202 ? undefined : response
    },
    { what: 'a question to be refused' },
  )
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('5')
  expect(await refused.json()).toMatchObject({
    error: { code: 'UNAVAILABLE', message: expect.stringMatching(/^Too many questions wait/) },
  })
  const socket = await stage.connect()
  const payload = { requestId: 'two', topic: 'Redis', question: 'Why?' }
  expect((await call(socket, 'ask', payload)).error?.code).toBe('UNAVAILABLE')
  await waitFor(
    async () => {
      for (const script of stage.model.scripts) script.finish()
      return (await call(socket, 'ask', payload)).ok
    },
    { what: 'a question to be taken again' },
  )
})
