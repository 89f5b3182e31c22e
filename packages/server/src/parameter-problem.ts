/** What is wrong with a parameter that is given at the start, by the same table that CONFIG SET goes by. */
import { Config, ConfigError } from './config.ts'
import { settingsOf } from './options.ts'

/**
 * A sentence, or undefined when the server knows the parameter and takes the value. `isKept`: it is one that keeps its data in a
 * directory.
 */
export function parameterProblem(name: string, text: string, isKept = false): string | undefined {
  try {
    // A configuration that nobody uses: only its judgement is wanted.
    const trial = new Config(settingsOf({}), { [name]: text }, {}, isKept)
    return trial.has(name) ? undefined : `Unknown parameter '${name}'`
  } catch (error) {
    if (error instanceof ConfigError)
      return error.message.replace(/^CONFIG SET failed \(possibly related to argument '(.*)'\) - /, '$1: ')
    throw error
  }
}
