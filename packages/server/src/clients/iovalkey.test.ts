import { startRedis } from '@millrace/testing'
import type { Redis } from 'ioredis'
import { Redis as Valkey } from 'iovalkey'
import { tellIoredis } from './ioredis-scenario.ts'
import { describeClient } from './scenario.ts'

describeClient('iovalkey', startRedis, (scene) => {
  // It began as ioredis 5 and kept its methods; only the types say that they are two classes.
  tellIoredis(scene, (port, options) => new Valkey({ ...options, port } as object) as unknown as Redis)
})
