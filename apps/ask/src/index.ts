export { addressUrl, type AppParts, type AppServer, startAppServer } from './app-server.ts'
export { type Config, ConfigError, defaultLimits, type Limits, readConfig } from './config.ts'
export { createLog, type Log, type LogLevel, type LogOptions } from './logs.ts'
