/**
 * The provider as a program:
 *
 *   node --conditions=@millrace/source --import tsx src/provider/main.ts --port 4010 --behaviour '{"tokensPerSecond":20}'
 *
 * Then start the application with OPENAI_BASE_URL=http://127.0.0.1:4010/v1. It prints its address as the first line.
 */
import { parseArgs } from 'node:util'
import { behaviourSchema } from './behaviour.ts'
import { startProvider } from './provider.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4010' },
    host: { type: 'string', default: '127.0.0.1' },
    behaviour: { type: 'string', default: '{"firstTokenMs":300,"tokensPerSecond":30,"tokens":300}' },
  },
})

const port = Number(values.port)
if (!Number.isInteger(port) || port < 0 || port > 65_535)
  throw new Error(`--port must be 0 to 65535, but is '${values.port}'.`)
const behaviour = behaviourSchema.parse(JSON.parse(values.behaviour))
const provider = await startProvider({ port, host: values.host, behaviour })
console.log(provider.url)

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    provider.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  })
}
