import { expect, it } from 'vitest'
import { createLog, scrub } from './logs.ts'

function logged(write: (log: ReturnType<typeof createLog>) => void): string {
  let lines = ''
  const destination = { write: (line: string) => void (lines += line) }
  write(createLog({ level: 'trace', server: 'one', secrets: ['hunter2hunter2', 'short'], destination }))
  return lines
}

it('writes one JSON object a line, with the server and the time', () => {
  const line = JSON.parse(logged((log) => log.info({ answers: 3 }, 'hello'))) as object
  expect(line).toMatchObject({ server: 'one', answers: 3, msg: 'hello', time: expect.stringMatching(/^\d{4}-.*Z$/) })
})

it('removes prompts, cookies, keys and owners, at three depths', () => {
  const hidden = { question: 'Why?', topicQuestion: 'How?', cookie: 'c=1', owner: 'abc', apiKey: 'k', text: 'said' }
  const lines = logged((log) =>
    log.info({ ...hidden, request: { ...hidden, headers: { ...hidden, authorization: 'me' } } }),
  )
  expect(lines).not.toMatch(/Why|How|c=1|abc|"k"|said|"me"/)
  expect(lines.match(/\[removed\]/g)).toHaveLength(19)
})

it('scrubs keys out of whatever quotes them', () => {
  const error = new Error('401: Incorrect API key provided: sk-proj-abcdef123456 (Bearer abc.def-123) hunter2hunter2')
  const lines = logged((log) => log.error({ err: error }, 'cannot reach redis://default:pa55@127.0.0.1:6379'))
  expect(lines).not.toMatch(/abcdef|abc\.def|hunter2|pa55/)
  expect(lines).toContain('redis://[removed]@127.0.0.1:6379')
  expect(JSON.parse(lines)).toMatchObject({ level: 50, err: { type: 'Error', stack: expect.any(String) } })
})

it('keeps a session cookie out of any text', () => {
  expect(scrub('cookie: a=1; millrace_session=AbCdEf123_-x; b=2')).toBe('cookie: a=1; millrace_session=[removed]; b=2')
})
