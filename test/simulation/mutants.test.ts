/** Whether the deliberate faults still fit the sources: what the slow suite takes minutes to find. */
import { suite } from 'uvu'
import { mutants, mutated } from './mutants'

const test = suite('mutants fit')

test('the text that a fault replaces is in its file once', () => {
  for (const each of mutants) mutated(each)
})

test.run()
