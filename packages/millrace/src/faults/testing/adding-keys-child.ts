/**
 * A program that adds the same messages as its siblings do, by their keys, many at once, and prints the IDs it was told.
 *
 *   node adding-keys-child.ts TARGET STREAM COUNT
 */
import { connect } from '../../connect.ts'

const [, , target, name, count] = process.argv
const millrace = await connect(target)
const stream = millrace.stream<number>(name ?? 's')
const adding = Array.from({ length: Number(count) }, async (_, n) => await stream.add(n, { key: `n${n}` }))
process.stdout.write(JSON.stringify(await Promise.all(adding)))
await millrace.close()
