/**
 * A program that appends to a directory, a thousand entries in flight, and notes the ID of each that has resolved in a file,
 * at once, until somebody ends it. For each it also prints a dot.
 *
 *   node adding-child.ts DIRECTORY always|everysec NOTES
 */
import { openSync, writeSync } from 'node:fs'
import { connect } from '../../connect.ts'

const IN_FLIGHT = 1000

const [, , directory, fsync, notes] = process.argv
const file = openSync(notes!, 'a')
const millrace = await connect(directory, { fsync: fsync === 'everysec' ? 'everysec' : 'always' })
const { backend } = millrace
for (;;) {
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async (_, i) => {
      const id = await backend.add('s', ['n', String(i)])
      writeSync(file, `${id}\n`)
      process.stdout.write('.')
    }),
  ) // With everysec nothing else would ever run: the dots would wait.
  await new Promise((resolve) => setImmediate(resolve))
}
