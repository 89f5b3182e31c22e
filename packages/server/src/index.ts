export { Server } from './server.ts'
export type { ServerOptions } from './options.ts'
