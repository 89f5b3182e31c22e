// npm start: installs, builds and runs the sample application, from a fresh clone on.
//   npm start          the page and the backend
//   npm run backend    the backend alone
//   npm run frontend   the page alone
// Its streams are in .millrace/, unless DATA_DIR or REDIS_URL says otherwise.
import { ensurePackages, requireNode } from './setup.mjs'

requireNode()
ensurePackages()
const { build } = await import('./build.mjs')
build()
// In this very process, so that a signal reaches the application and not a parent of it.
await import('../apps/ask/dist/main.js')
