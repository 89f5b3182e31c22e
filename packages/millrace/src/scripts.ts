/** The Lua scripts that the redis backend sends, for a server that runs something else in their place. */
export { addScript } from './scripts/add.ts'
export { claimIdsScript } from './scripts/claim-ids.ts'
export { claimScanScript } from './scripts/claim-scan.ts'
export { deleteConsumerScript } from './scripts/delete-consumer.ts'
export { expireScript } from './scripts/expire.ts'
export { inspectScript } from './scripts/inspect.ts'
export { settleScript } from './scripts/settle.ts'
