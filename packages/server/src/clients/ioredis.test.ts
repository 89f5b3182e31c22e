import { startRedis } from '@millrace/testing'
import { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { tellIoredis } from './ioredis-scenario.ts'
import { describeClient } from './scenario.ts'

describeClient('ioredis (RESP3)', startRedis, (scene) => {
  tellIoredis(scene, (port, options) => new Redis({ ...options, port, protocol: 3 }))

  it('gives maps as objects when it is asked to', async () => {
    const redis = new Redis({ port: scene.port, protocol: 3, replyMapping: 'resp3' })
    try {
      await scene.is(redis.call('XADD', 'maps', '1-1', 'a', 'b'), '1-1')
      await scene.is(redis.call('XREAD', 'STREAMS', 'maps', '0'), { maps: [['1-1', ['a', 'b']]] })
      await scene.is(redis.call('XINFO', 'STREAM', 'maps'), expect.objectContaining({ length: 1 }))
      await scene.is(redis.call('CONFIG', 'GET', 'databases'), { databases: '16' })
      await scene.is(redis.call('HELLO'), expect.objectContaining({ server: 'redis', proto: 3, mode: 'standalone' }))
    } finally {
      redis.disconnect()
    }
  })

  it('gathers what is asked for in one turn into a pipeline', async () => {
    const redis = new Redis({ port: scene.port, enableAutoPipelining: true })
    try {
      const ids = Array.from({ length: 500 }, (_, i) => `${i + 1}-0`)
      await scene.is(Promise.all(ids.map((id) => redis.xadd('auto', id, 'a', 'b'))), ids)
      await scene.is(redis.xlen('auto'), 500)
    } finally {
      redis.disconnect()
    }
  })
})

describeClient('ioredis (RESP2)', startRedis, (scene) => {
  tellIoredis(scene, (port, options) => new Redis({ ...options, port, protocol: 2 }))
})
