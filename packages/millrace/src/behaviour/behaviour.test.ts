/** The toolkit's behaviour, the same everywhere: each of these has every case, and none has a difference. */
import { startCluster, startRedis, startReplicated, startServe, temporaryDirectory } from '@millrace/testing'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { connect } from '../connect.ts'
import type { Millrace } from '../millrace.ts'
import { behaviour, Place } from './testing/cases.ts'

interface Target {
  readonly url: string | undefined
  readonly stop: () => Promise<unknown>
}

const targets: Readonly<Record<string, () => Promise<Target>>> = {
  'embedded, in memory': async () => ({ url: undefined, stop: async () => undefined }),
  'embedded, in a directory': async () => ({ url: temporaryDirectory('behaviour'), stop: async () => undefined }),
  'millrace serve': async () => await startServe(),
  'redis-server': async () => await startRedis(),
  'a primary with its replica': async () => {
    const replicated = await startReplicated()
    return { url: replicated.primary.url, stop: async () => await replicated.stop() }
  },
  'a Cluster of three and three': async () => await startCluster({ masters: 3, replicas: 1 }),
}

/** Where the toolkit does otherwise, and why. */
const differences: Readonly<Record<string, Readonly<Record<string, string>>>> = {}

describe.each(Object.keys(targets))('the toolkit on %s', (name) => {
  let target: Target
  let mr: Millrace
  beforeAll(async () => {
    target = await targets[name]!()
    mr = await connect(target.url)
  })
  afterAll(async () => {
    await mr?.close()
    await target?.stop()
  })

  for (const [sentence, run] of Object.entries(behaviour)) {
    const reason = differences[name]?.[sentence]
    it(reason === undefined ? sentence : `does not: ${sentence} (${reason})`, async ({ expect }) => {
      const place = new Place(mr)
      try {
        if (reason === undefined) await run(place)
        else await expect(run(place)).rejects.toThrow()
      } finally {
        await place.end()
      }
    })
  }
})
