/** How the tests run: from source, two files at a time, with one plain closing line. */
import { defineConfig } from 'vitest/config'

// Workspace packages are run from their source, without a build: see `exports` in each package.json. Vitest gives these
// to Node for `require` as well, so that `import` may not be among them: CommonJS would get ES modules.
const conditions = ['@millrace/source', 'node']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['**/*.test.ts', '**/*.fuzz.ts', '**/*.test.tsx'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    dangerouslyIgnoreUnhandledErrors: false,
    reporters: ['default', './scripts/closing-line.mjs'],
  },
})
