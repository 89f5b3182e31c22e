/** The Lua scripts that the redis backend sends, for a server that runs something else in their place. */
export { addScript } from './redis/scripts/add.ts'
export { claimIdsScript } from './redis/scripts/claim-ids.ts'
export { claimScanScript } from './redis/scripts/claim-scan.ts'
export { deleteConsumerScript } from './redis/scripts/delete-consumer.ts'
export { expireScript } from './redis/scripts/expire.ts'
export { inspectScript } from './redis/scripts/inspect.ts'
export { settleScript } from './redis/scripts/settle.ts'
export { stepScript } from './redis/scripts/step.ts'
