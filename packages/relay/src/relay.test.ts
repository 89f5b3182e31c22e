/** What a relay promises, on every kind of backend. */
import { randomUUID } from 'node:crypto'
import { type ClusterServer, type RedisServer, startCluster, startRedis, waitFor } from '@millrace/testing'
import type { Backend, EntryId } from 'millrace'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { AnswerEntry } from './entry.ts'
import {
  ask,
  Bench,
  readAll,
  readUntil,
  scripted,
  sha256,
  SILENT,
  talkative,
  talkativeText,
  types,
} from './fixtures.ts'
import { GenerateError } from './generate.ts'
import type { Relay, RelayOptions } from './relay.ts'
import { textOf } from './text.ts'

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

describeRelay('redis', startRedis)
describeRelay('cluster', () => startCluster({ masters: 3 }))

function describeRelay(name: string, start: () => Promise<RedisServer | ClusterServer>): void {
  describe(`a relay on ${name} (seed ${seed})`, () => {
    const bench = new Bench()
    let server: RedisServer | ClusterServer
    let backend: Backend
    beforeAll(async () => {
      server = await start()
    })
    afterEach(() => bench.end())
    afterAll(() => server.stop())

    /** Each test has streams of its own. */
    async function open(options: Partial<RelayOptions> = {}): Promise<Relay> {
      backend = await bench.redis(server.url)
      return bench.relay(backend, { prefix: `T${randomUUID()}`, ...options })
    }

    it('answers a question', async () => {
      const relay = await open()
      relay.work(scripted([['A consumer ', 'group ', 60, 'shares ', 'work 😀']]))
      const answer = await ask(relay)
      const entries = await readAll(relay, 'ann', answer)
      const text = 'A consumer group shares work 😀'
      expect(textOf(entries)).toBe(text)
      expect(entries.map((entry) => entry.seq)).toEqual(entries.map((_, i) => i))
      expect(entries.map((entry) => entry.epoch)).toEqual(entries.map((_, i) => (i === 0 ? 0 : 1)))
      expect(entries[0]).toMatchObject({ type: 'question', topic: 'Redis', question: 'why?' })
      expect(entries[0]).not.toHaveProperty('owner')
      expect(entries[1]).toMatchObject({ type: 'start', model: 'scripted' })
      expect(entries.at(-1)).toMatchObject({ type: 'end', finish: 'stop', chars: text.length, sha256: sha256(text) })
    })
  })
}
void [readUntil, SILENT, talkative, talkativeText, types, GenerateError, waitFor]
export type { AnswerEntry, EntryId }
