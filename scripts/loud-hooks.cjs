// uvu drops what a hook throws: a server that does not start would fail every test without a reason. Here it is printed. And uvu
// prints no titles: those of tests that passed are written to the file MEMIS_CASES.
const { appendFileSync } = require('node:fs')
const uvu = require('uvu')

function loud(hook) {
  const add = (handler) =>
    hook(async (context) => {
      try {
        await handler(context)
      } catch (error) {
        console.error('\na hook failed:', error)
        throw error
      }
    })
  if (hook.each) add.each = loud(hook.each)
  return add
}

function withLoudHooks(test) {
  test.before = loud(test.before)
  test.after = loud(test.after)
  return test
}

function withTitles(test) {
  const file = process.env.MEMIS_CASES
  if (!file) return test
  const add = (title, handler) =>
    test(title, async (context) => {
      await handler(context)
      appendFileSync(file, `${title.replace(/\s+/g, ' ')}\n`)
    })
  return Object.assign(add, test)
}

const { suite } = uvu
uvu.suite = (...args) => withTitles(withLoudHooks(suite(...args)))
withLoudHooks(uvu.test)
