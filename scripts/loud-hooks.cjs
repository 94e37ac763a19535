// uvu drops what a hook throws: a server that did not start would fail every test and say nothing. Here it is printed.
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

const { suite } = uvu
uvu.suite = (...args) => withLoudHooks(suite(...args))
withLoudHooks(uvu.test)
