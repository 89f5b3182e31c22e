import { expect, it } from 'vitest'
import { answerInHash, articleInHash, hashOf, hashOfArticle } from './route.ts'

it('finds the answer that it wrote into the address', () => {
  const answer = '4d26adaf3d858d5540f9fb1e5fd4a987'
  expect(answerInHash(hashOf(answer))).toBe(answer)
  expect(answerInHash(hashOf(undefined))).toBeUndefined()
})

it('finds an article, and takes nothing else for one', () => {
  expect(articleInHash(hashOfArticle('xadd'))).toBe('xadd')
  for (const hash of ['', '#/', '#/handbook/', '#/handbook/../x', '#/handbook/XADD', '#/a/xadd']) {
    expect(articleInHash(hash)).toBeUndefined()
  }
})
