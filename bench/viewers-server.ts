/**
 * The server half of `viewers.ts`: the application's own server over a model that says tokens at a fixed rate.
 * Started as a child process with the plan as JSON; answers `memory` on the parent's channel.
 */
import { setTimeout as later } from 'node:timers/promises'
import type { GenerateEvent, LanguageModel } from '@millrace/relay'
import { connect } from 'millrace'
import { startAppServer } from '@millrace/ask/server'
import { readConfig } from '@millrace/ask/config'
import { createLog } from '@millrace/ask/logs'

interface Plan {
  readonly answers: number
  readonly viewers: number
  readonly rate: number
  readonly seconds: number
  readonly redisUrl?: string
}

const plan = JSON.parse(process.argv[2] ?? '{}') as Plan

/** Says `rate` tokens a second on a fixed schedule, whatever the load: a late token is not followed by a slower one. */
const model: LanguageModel = {
  label: 'tokens at a fixed rate',
  canContinue: false,
  async *generate(_request, signal): AsyncGenerator<GenerateEvent> {
    const began = performance.now()
    const tokens = plan.rate * plan.seconds
    for (let token = 1; token <= tokens; token++) {
      const due = began + (token * 1000) / plan.rate
      const waitMs = due - performance.now()
      if (waitMs > 0) await later(waitMs, undefined, { signal })
      yield { type: 'text', text: `token ${token} ` }
    }
    yield { type: 'done', finish: 'stop', usage: { outputTokens: tokens }, sources: [] }
  },
}

const base = readConfig({ PORT: '0', SERVER_NAME: 'bench', LOG_LEVEL: 'error' })
const config = {
  ...base,
  answersAtOnce: plan.answers,
  limits: { ...base.limits, connectionsMax: plan.viewers * 2, connectionsPerAddressMax: plan.viewers * 2 },
}
const mr = plan.redisUrl === undefined ? await connect() : await connect(plan.redisUrl)
const server = await startAppServer(config, {
  backend: mr.backend,
  model: { model, kind: 'guide' },
  article: () => undefined,
  log: createLog({ level: 'error', server: 'bench', secrets: [] }),
})

process.on('message', (what) => {
  if (what !== 'memory') return
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  process.send?.({ rss, heapUsed })
})
process.once('SIGTERM', () => {
  void server
    .close({ graceMs: 0 })
    .then(() => mr.close())
    .finally(() => process.exit(0))
})
process.send?.({ port: server.port })
