import { startRedis } from '@millrace/testing'
import { Redis } from 'ioredis'
import { tellIoredis } from './ioredis-scenario.ts'
import { describeClient } from './scenario.ts'

describeClient('ioredis (RESP3)', startRedis, (scene) => {
  tellIoredis(scene, (port, options) => new Redis({ ...options, port, protocol: 3 }))
})

describeClient('ioredis (RESP2)', startRedis, (scene) => {
  tellIoredis(scene, (port, options) => new Redis({ ...options, port, protocol: 2 }))
})
