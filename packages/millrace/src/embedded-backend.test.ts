import { afterAll, beforeAll, describe, it } from 'vitest'
import { describeBackend } from './conformance.ts'
import { EmbeddedBackend } from './embedded-backend.ts'

describeBackend('embedded', async () => new EmbeddedBackend(), {}, { describe, it, beforeAll, afterAll })
