export { ReplyError } from './error-lines.ts'
export type { NativeScript, ScriptContext, ScriptValue } from './native-scripts.ts'
export { Server } from './server.ts'
export type { ServerOptions } from './options.ts'
