import assert from 'node:assert/strict'
import { suite } from 'uvu'
import { loadPackage } from '../../src/core/packages'

const test = suite('packages')

const redis = {}
const need = { name: 'redis', majors: [5, 6], load: () => redis, version: (): unknown => '6.3.1' }

const notFound = (message: string) => () => {
  throw Object.assign(new Error(message), { code: 'MODULE_NOT_FOUND' })
}

test('a package in a version that works is loaded', () => {
  for (const version of ['5.0.0', '5.12.1', '6.0.0-rc.1', '6.3.1']) {
    assert.equal(loadPackage({ ...need, version: () => version }), redis)
  }
})

test('a package in another version is not loaded, and the error says which, and what to do', () => {
  for (const version of ['4.7.1', '7.0.0', '50.0.0', '0.1']) {
    const load = () => assert.fail('it was loaded')
    assert.throws(() => loadPackage({ ...need, version: () => version, load }), {
      code: 'MISSING_PACKAGE',
      message: `memis needs the package 'redis' in version 5 or 6, this is ${version}: npm install redis@6`,
    })
  }
})

test('a version that cannot be told is not checked', () => {
  for (const version of [undefined, 6, 'latest', {}]) {
    assert.equal(loadPackage({ ...need, version: () => version }), redis)
  }
  assert.equal(loadPackage({ ...need, version: notFound("Cannot find module 'redis/package.json'") }), redis)
})

test('a package that is not installed is named, with the command that installs it', () => {
  for (const message of [
    "Cannot find module 'redis'\nRequire stack:\n- /app.js",
    "Cannot find module 'redis' from 'a.js'",
  ]) {
    assert.throws(() => loadPackage({ ...need, version: notFound(message), load: notFound(message) }), {
      code: 'MISSING_PACKAGE',
      message: "the package 'redis' is not installed: npm install redis@6",
    })
  }
})

test('what else is wrong with a package is its own error', () => {
  const errors = [
    new TypeError('a mistake'),
    Object.assign(new Error("Cannot find module 'net2'"), { code: 'MODULE_NOT_FOUND' }),
  ]
  for (const error of errors) {
    const load = () => {
      throw error
    }
    assert.throws(() => loadPackage({ ...need, load }), error)
  }
})

test('the packages that are installed here tell their versions', () => {
  const loaded = loadPackage({
    name: 'redis',
    majors: [5, 6],
    load: () => require('redis') as { createClient: unknown },
    version: () => require('redis/package.json').version,
  })
  assert.equal(typeof loaded.createClient, 'function')
  const tooOld = {
    name: 'nats',
    majors: [3],
    load: () => require('nats'),
    version: () => require('nats/package.json').version,
  }
  assert.throws(() => loadPackage(tooOld), {
    message: /^memis needs the package 'nats' in version 3, this is 2\.\d+\.\d+: npm/,
  })
})

test.run()
