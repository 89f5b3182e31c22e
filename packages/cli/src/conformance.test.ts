/** millrace's redis backend on our own server: the suite that every backend passes, without a difference. */
import { setString } from '@millrace/engine'
import { Server } from '@millrace/server'
import { RedisBackend } from 'millrace'
import { describeBackend } from 'millrace/conformance'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { millraceScripts } from './millrace-scripts.ts'

describe('a Millrace server', () => {
  let server: Server

  beforeAll(async () => {
    server = await Server.start({ port: 0, scripts: millraceScripts })
  })
  afterAll(async () => await server.close())

  describeBackend(
    'millrace',
    () => RedisBackend.connect([`redis://127.0.0.1:${server.port}`]),
    {},
    {
      describe,
      it,
      beforeAll,
      afterAll,
      makeForeignKey: async (key) => {
        const { databases, nowMs } = server.state
        setString(databases.at(0), { key, value: Buffer.from('no stream') }, nowMs)
      },
      waitingReads: async () => server.state.blockedClients.size,
    },
  )
})
