/**
 * A server for the tests of takeover, to be killed: answers slowly and for ever on the Redis and prefix it is given.
 *
 *   node crash-server.ts redis://127.0.0.1:6379 PREFIX
 */
import { RedisBackend } from 'millrace'
import { talkative } from './fixtures.ts'
import { createRelay } from './stream-relay.ts'

const [url = '', prefix = ''] = process.argv.slice(2)
const relay = createRelay(await RedisBackend.connect([url]), { server: 'doomed', prefix })
relay.work(talkative(100_000, 20))
