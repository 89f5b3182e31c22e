import { expect, it } from 'vitest'
import { GenerateError } from '@millrace/relay'
import { createLog, scrub, secretsIn } from './logs.ts'

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

it('keeps what a driver hangs on its errors, and what a provider says, to itself', () => {
  const reply = Object.assign(new Error('OOM command not allowed'), { command: { name: 'xadd', args: ['my secret'] } })
  const answer = Object.assign(new Error("400 We do not like 'my secret'"), {
    status: 400,
    error: { text: 'my secret' },
  })
  const failure = new GenerateError('bad_request', 'The provider did not accept it.', {
    retryable: false,
    cause: answer,
  })
  const lines = logged((log) => [reply, failure].forEach((error) => log.error({ err: error }, 'failed')))
  expect(lines).not.toContain('my secret')
  expect(lines).toContain('OOM command not allowed')
  expect(lines).toContain('"causes":[{"type":"Error","status":400}]')
  const wrapped = new Error('XADD failed', { cause: reply })
  expect(logged((log) => log.error({ err: wrapped }))).toContain('OOM command not allowed')
})

it('knows the keys and the passwords of the environment', () => {
  const env = {
    OPENAI_API_KEY: ' key-0123456789 ',
    OPENAI_ORGANIZATION: '',
    REDIS_URL: 'redis://one:p%40ssword1@a:6379, redis://:p@ssword2@b:6379,redis://c:6379',
    OPENAI_BASE_URL: 'http://me:password3@127.0.0.1:8000/v1',
  }
  expect(secretsIn(env).sort()).toEqual(
    ['key-0123456789', 'p%40ssword1', 'p@ssword1', 'p%40ssword2', 'p@ssword2', 'password3', 'password3'].sort(),
  )
  expect(scrub('cannot reach http://me:pw@host/v1')).toBe('cannot reach http://[removed]@host/v1')
})
