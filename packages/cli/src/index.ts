export { run } from './program.ts'
export { serve } from './serve.ts'
